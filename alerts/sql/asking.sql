-- ask
-- A question that has not left is not asked beside the new one.
WITH before AS (
    UPDATE notification n SET state = 'superseded' FROM conversation c
    WHERE c.phone = %(phone)s AND n.phone = c.phone AND n.kind = 'reply' AND n.created_at = c.asked_at
      AND n.created_at < %(now)s AND n.state = 'queued')
INSERT INTO conversation (phone, state, detail, asked_at, expires_at)
VALUES (%(phone)s, %(state)s, %(detail)s::jsonb, %(now)s, %(expires_at)s)
ON CONFLICT (phone) DO UPDATE SET state = EXCLUDED.state, detail = EXCLUDED.detail, asked_at = EXCLUDED.asked_at,
    expires_at = EXCLUDED.expires_at;

-- take
-- What this SMS may answer: a question that has left, by the answer that was written when it was asked. It waits as long
-- as was meant from then on, and goes on waiting when the SMS is older. Nor is it answered when the phone was told something
-- else since: "1" would then be about that.
WITH asked AS (
    SELECT c.phone, min(t.began_at) AS left_at, max(coalesce(t.ended_at, t.began_at)) AS came_at
    FROM conversation c JOIN notification n ON n.phone = c.phone AND n.kind = 'reply' AND n.created_at = c.asked_at
        JOIN sms_attempt t USING (notification_id)
    WHERE c.phone = %(phone)s AND (t.outcome IS NULL OR t.outcome IN ('accepted', 'uncertain')) GROUP BY c.phone)
DELETE FROM conversation c USING asked a, sms_in s
WHERE c.phone = a.phone AND s.sms_in_id = %(id)s AND s.received_at >= a.left_at
RETURNING c.state, c.detail, a.came_at + (c.expires_at - c.asked_at) > %(now)s AND NOT EXISTS (
    SELECT FROM notification n WHERE n.phone = c.phone AND n.kind <> 'reply' AND n.submitted_at >= a.left_at);
