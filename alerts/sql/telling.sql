-- alert_words
SELECT a.zone_id, z.name, a.code, a.asset_id, a.evidence FROM alert a JOIN zone z USING (zone_id)
WHERE a.alert_id = %(alert)s;

-- contacts
SELECT contact_id, name, role, phone, language, rank FROM contact WHERE zone_id = %(zone)s AND is_active ORDER BY rank;

-- told_before
-- What this zone's people were told in the last day, and all about this alert.
SELECT n.alert_id, n.contact_id, a.fault, n.kind, n.created_at
FROM notification n LEFT JOIN alert a USING (alert_id)
WHERE n.zone_id = %(zone)s AND n.kind <> 'reply' AND (n.created_at >= %(since)s OR n.alert_id = %(alert)s);

-- queue
-- The key makes a repeat of the same decision harmless.
INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text, segments,
                          urgency, state, created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(alert)s, %(zone)s, %(contact)s, %(phone)s, %(kind)s, %(step)s, %(reason)s, %(language)s, %(text)s,
        %(segments)s, %(urgency)s, 'queued', %(now)s, %(send_at)s, %(valid_until)s)
ON CONFLICT (alert_id, kind, step, contact_id) DO NOTHING RETURNING notification_id;
