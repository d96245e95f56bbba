-- Everything that is kept of one person of a committee, part by part, as they may ask for it. `names` are those under
-- which their phone stands in the committees, `whos` the same with their role, as stories tell it.

-- names
SELECT DISTINCT name, name || ' (' || role || ')' FROM contact WHERE phone = %(phone)s;

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
WHERE phone <> %(phone)s AND text LIKE '%%' || %(dialled)s || '%%' ORDER BY notification_id;

-- received
SELECT received_at, kind, text, intention FROM sms_in WHERE phone = %(phone)s ORDER BY sms_in_id;

-- attempts
SELECT began_at, a.carrier, outcome, detail FROM sms_attempt a JOIN notification n USING (notification_id)
WHERE n.phone = %(phone)s OR detail LIKE '%%' || %(dialled)s || '%%' ORDER BY sms_attempt_id;

-- receipts
SELECT r.received_at, r.carrier, fate, at FROM sms_receipt r LEFT JOIN notification n USING (notification_id)
WHERE r.phone = %(phone)s OR n.phone = %(phone)s OR r.raw LIKE '%%' || %(dialled)s || '%%' ORDER BY sms_receipt_id;

-- reports
SELECT reported_at, r.text, closed_at, closed_by, cause FROM report r LEFT JOIN contact c USING (contact_id)
WHERE c.phone = %(phone)s OR closed_by = ANY(%(whos)s) ORDER BY report_id;

-- hand_readings
SELECT h.measured_at, c.zone_id, c.asset_id, c.name, h.value, h.withdrawn_at
FROM hand_reading h JOIN channel c USING (channel_id) JOIN contact p USING (contact_id)
WHERE p.phone = %(phone)s ORDER BY hand_reading_id;

-- story
SELECT e.at, a.code, e.kind, e.who, e.detail FROM alert_event e JOIN alert a USING (alert_id)
WHERE e.who = ANY(%(whos)s) OR e.detail ->> 'name' = ANY(%(names)s) ORDER BY event_id;

-- alerts
SELECT code, opened_at, acknowledged_by, shelved_by, assigned_to, closed_by FROM alert
WHERE acknowledged_by = ANY(%(whos)s) OR shelved_by = ANY(%(whos)s) OR assigned_to = ANY(%(names)s)
   OR closed_by = ANY(%(whos)s) ORDER BY alert_id;

-- calls
SELECT since, step, why, called_at FROM call_list JOIN contact c USING (contact_id) WHERE c.phone = %(phone)s ORDER BY call_id;

-- conversation
SELECT asked_at, state, detail FROM conversation WHERE phone = %(phone)s;

-- events
-- What routes told our doors, as it came.
SELECT received_at, carrier, kind, body FROM carrier_event
WHERE body LIKE '%%' || %(dialled)s || '%%' ORDER BY carrier_event_id;

-- handed_over
SELECT submitted_at, carrier, told FROM gammu_handover WHERE phone = %(phone)s ORDER BY message_id;

-- handset
-- The demo's on-screen phone.
SELECT sent_at, text FROM phone_inbox WHERE phone = %(phone)s
UNION ALL SELECT sent_at, text FROM phone_reply WHERE phone = %(phone)s ORDER BY sent_at;
