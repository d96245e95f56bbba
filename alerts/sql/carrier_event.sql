-- untaken
SELECT carrier_event_id, kind, body, received_at FROM carrier_event
WHERE carrier = %(carrier)s AND taken_at IS NULL ORDER BY carrier_event_id LIMIT 200;

-- taken
UPDATE carrier_event SET taken_at = %(now)s WHERE carrier_event_id = %(id)s;

-- not_understood
UPDATE carrier_event SET taken_at = %(now)s, error = %(error)s WHERE carrier_event_id = %(id)s;

-- troubles
SELECT (SELECT count(*) FROM carrier_event WHERE carrier = %(carrier)s AND error IS NOT NULL AND received_at > %(since)s),
       (SELECT coalesce(sum(number), 0) FROM carrier_refusal
        WHERE carrier = %(carrier)s AND on_day >= %(since)s::date);

-- left_last
-- When the last ones were handed over, the oldest first.
SELECT began_at FROM (SELECT began_at FROM sms_attempt WHERE carrier = %(carrier)s
                      ORDER BY sms_attempt_id DESC LIMIT %(number)s) last ORDER BY began_at;

-- store
-- Committed before the route is answered; the same again changes nothing.
INSERT INTO carrier_event (carrier, key, kind, body, received_at)
VALUES (%(carrier)s, %(key)s, %(kind)s, %(body)s, %(now)s) ON CONFLICT (carrier, key) DO NOTHING;

-- count_refusal
INSERT INTO carrier_refusal (carrier, on_day, reason) VALUES (%(carrier)s, %(now)s::date, %(reason)s)
ON CONFLICT (carrier, on_day, reason) DO UPDATE SET number = carrier_refusal.number + 1;
