-- has_opted_out
SELECT EXISTS (SELECT FROM opted_out WHERE phone = %(phone)s);

-- say
-- Only what changes something: the last word of this phone is not repeated. The last is the one written last, whatever the
-- clock said then.
INSERT INTO consent_log (phone, at, what, how, who)
SELECT %(phone)s, %(now)s, %(what)s, 'sms', %(who)s
WHERE %(what)s IS DISTINCT FROM (SELECT what FROM consent_log WHERE phone = %(phone)s
                                 ORDER BY consent_id DESC LIMIT 1)
RETURNING consent_id;

-- keep_quiet
-- What waits for a phone is not sent any more, an answer as little as an alert.
UPDATE notification SET state = 'superseded' WHERE phone = %(phone)s AND state IN ('queued', 'held');

-- zones_without_anybody
-- Where this phone was the last that could be told.
SELECT DISTINCT c.zone_id FROM contact c
WHERE c.phone = %(phone)s AND c.is_active
  AND NOT EXISTS (SELECT FROM contact o WHERE o.zone_id = c.zone_id AND o.is_active
                  AND o.phone NOT IN (SELECT phone FROM opted_out))
ORDER BY c.zone_id;

-- call_for_zone
-- An engineer is to see to this zone.
INSERT INTO call_list (zone_id, step, why, since) VALUES (%(zone)s, %(step)s, %(why)s, %(now)s);
