-- keep
INSERT INTO report (zone_id, contact_id, sms_in_id, reported_at, text)
VALUES (%(zone)s, %(contact)s, %(sms)s, %(now)s, %(text)s);

-- zone_name
SELECT name FROM zone WHERE zone_id = %(zone)s;

-- told_lately
-- Who was told of a breakdown in this zone since then.
SELECT c.name, c.phone FROM notification n JOIN contact c USING (contact_id)
WHERE n.zone_id = %(zone)s AND n.kind = 'report' AND n.created_at > %(since)s
  AND n.state NOT IN ('failed', 'expired', 'superseded')
ORDER BY n.notification_id DESC LIMIT 1;

-- specialist
-- Who repairs in this zone, else its engineer; not the one who reports.
SELECT contact_id, name, phone, language FROM contact
WHERE zone_id = %(zone)s AND is_active AND role = ANY(%(roles)s) AND phone <> %(phone)s
  AND phone NOT IN (SELECT phone FROM opted_out)
ORDER BY array_position(%(roles)s::text[], role), rank LIMIT 1;

-- is_on_the_list
SELECT EXISTS (SELECT FROM call_list WHERE zone_id = %(zone)s AND step = 'report' AND since > %(since)s);

-- tell
INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments, urgency, state,
                          created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(zone)s, %(contact)s, %(phone)s, 'report', 'report', 'breakdown_reported', %(language)s, %(text)s,
        %(segments)s, %(urgency)s, 'queued', %(now)s, %(now)s, %(valid_until)s);
