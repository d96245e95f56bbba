-- ask
INSERT INTO conversation (phone, state, detail, asked_at, expires_at)
VALUES (%(phone)s, %(state)s, %(detail)s::jsonb, %(now)s, %(expires_at)s)
ON CONFLICT (phone) DO UPDATE SET state = EXCLUDED.state, detail = EXCLUDED.detail, asked_at = EXCLUDED.asked_at,
    expires_at = EXCLUDED.expires_at;

-- take
-- What this SMS may answer. It does not when it is older than the question, or when the phone was told something else
-- since: "1" would then be about that.
DELETE FROM conversation c USING sms_in s
WHERE c.phone = %(phone)s AND s.sms_in_id = %(id)s
RETURNING c.state, c.detail, c.expires_at > %(now)s AND s.received_at >= c.asked_at AND NOT EXISTS (
    SELECT FROM notification n WHERE n.phone = c.phone AND n.kind <> 'reply' AND n.submitted_at > c.asked_at);
