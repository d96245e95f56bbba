-- Everything that is kept of one person of a committee, part by part, as they may ask for it. `zones`, `names` and `whos`
-- lie side by side: where their phone stands, and under which names stories there tell of them, alone and with their
-- role. Elsewhere such a name is a namesake's.

-- contact
SELECT zone_id, name, role, phone, language, tap, is_active FROM contact WHERE phone = %(phone)s ORDER BY contact_id;

-- consent
SELECT at, what, how, who FROM consent_log WHERE phone = %(phone)s ORDER BY consent_id;

-- told
SELECT created_at, kind, reason, text, state, accepted_at, delivered_at FROM notification
WHERE phone = %(phone)s ORDER BY notification_id;

-- named
-- What others were told with this number in it.
SELECT created_at, kind, text FROM notification
WHERE phone <> %(phone)s AND text ~ %(number)s ORDER BY notification_id;

-- received
SELECT received_at, kind, text, intention FROM sms_in WHERE phone = %(phone)s ORDER BY sms_in_id;

-- written
-- What others wrote to us with this number in it.
SELECT received_at, text FROM sms_in WHERE phone <> %(phone)s AND text ~ %(number)s ORDER BY sms_in_id;

-- attempts
SELECT began_at, a.carrier, outcome, detail FROM sms_attempt a JOIN notification n USING (notification_id)
WHERE n.phone = %(phone)s OR detail ~ %(number)s ORDER BY sms_attempt_id;

-- receipts
SELECT r.received_at, r.carrier, fate, at FROM sms_receipt r LEFT JOIN notification n USING (notification_id)
WHERE r.phone = %(phone)s OR n.phone = %(phone)s OR r.raw ~ %(number)s ORDER BY sms_receipt_id;

-- reports
SELECT reported_at, r.text, closed_at, closed_by, cause FROM report r LEFT JOIN contact c USING (contact_id)
WHERE c.phone = %(phone)s OR (r.zone_id, closed_by)
      IN (SELECT * FROM unnest(%(zones)s::text[], %(whos)s::text[])) ORDER BY report_id;

-- hand_readings
SELECT h.measured_at, c.zone_id, c.asset_id, c.name, h.value, h.withdrawn_at
FROM hand_reading h JOIN channel c USING (channel_id) JOIN contact p USING (contact_id)
WHERE p.phone = %(phone)s ORDER BY hand_reading_id;

-- story
SELECT e.at, a.code, e.kind, e.who, e.detail FROM alert_event e JOIN alert a USING (alert_id)
WHERE (a.zone_id, e.who) IN (SELECT * FROM unnest(%(zones)s::text[], %(whos)s::text[]))
   OR (a.zone_id, e.detail ->> 'name') IN (SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[])) ORDER BY event_id;

-- alerts
WITH known_as AS MATERIALIZED (
    SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[], %(whos)s::text[]) AS k (zone_id, name, who))
SELECT code, opened_at, acknowledged_by, shelved_by, shelved_why, assigned_to, closed_by FROM alert
WHERE (zone_id, acknowledged_by) IN (SELECT zone_id, who FROM known_as)
   OR (zone_id, shelved_by) IN (SELECT zone_id, who FROM known_as)
   OR (zone_id, assigned_to) IN (SELECT zone_id, name FROM known_as)
   OR (zone_id, closed_by) IN (SELECT zone_id, who FROM known_as)
   OR concat_ws(' ', shelved_why, assigned_to) ~ %(number)s ORDER BY alert_id;

-- photos
-- What photos show in words with this number in them.
SELECT p.added_at, a.code, p.shows FROM alert_photo p JOIN alert a USING (alert_id)
WHERE p.shows ~ %(number)s ORDER BY photo_id;

-- calls
SELECT since, step, why, called_at FROM call_list JOIN contact c USING (contact_id) WHERE c.phone = %(phone)s ORDER BY call_id;

-- conversation
SELECT asked_at, state, detail FROM conversation WHERE phone = %(phone)s;

-- events
-- What routes told our doors, as it came.
SELECT received_at, carrier, kind, body FROM carrier_event
WHERE body ~ %(number)s ORDER BY carrier_event_id;

-- handed_over
SELECT submitted_at, carrier, told FROM gammu_handover WHERE phone = %(phone)s ORDER BY message_id;

-- handset
-- The demo's on-screen phone.
SELECT sent_at, text FROM phone_inbox WHERE phone = %(phone)s
UNION ALL SELECT sent_at, text FROM phone_reply WHERE phone = %(phone)s ORDER BY sent_at;
