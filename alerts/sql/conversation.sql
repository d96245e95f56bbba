-- people
-- Who uses this phone; one person may sit in several committees.
SELECT contact_id, name, role, language, zone_id FROM contact WHERE phone = %(phone)s AND is_active
ORDER BY contact_id;

-- live_for_phone
-- Live alerts of which this phone was told, the newest first.
SELECT DISTINCT a.alert_id, a.code FROM alert a JOIN notification n USING (alert_id)
WHERE n.phone = %(phone)s AND n.kind <> 'reply' AND a.state <> 'resolved' ORDER BY a.alert_id DESC;

-- handled
UPDATE sms_in SET handled_at = %(now)s, intention = %(intention)s, is_sure = %(is_sure)s, contact_id = %(contact)s,
    alert_id = %(alert)s
WHERE sms_in_id = %(id)s;

-- queue_answer
INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text, segments,
                          urgency, state, created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(alert)s, %(zone)s, %(contact)s, %(phone)s, 'reply', %(step)s, 'answers_a_reply', %(language)s,
        %(text)s, %(segments)s, %(urgency)s, 'queued', %(now)s, %(now)s, %(valid_until)s);
