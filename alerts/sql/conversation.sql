-- people
-- Who uses this phone. One person may sit in several committees: the one that told them something last comes first.
SELECT c.contact_id, c.name, c.role, c.language, c.zone_id, z.name, c.tap FROM contact c JOIN zone z USING (zone_id)
WHERE c.phone = %(phone)s AND c.is_active
ORDER BY (SELECT max(n.created_at) FROM notification n
          WHERE n.phone = c.phone AND n.zone_id = c.zone_id AND n.kind <> 'reply') DESC NULLS LAST, c.contact_id;

-- live_for_phone
-- The live alerts of its zones, the newest first, and when something about them last left for its owner or may have, on this
-- number or the one before: alone or in one SMS with others. What still waits, or was told to others alone, they have not read.
SELECT a.alert_id, a.code, a.zone_id, z.name, a.fault, (
    SELECT max(coalesce(greatest(n.submitted_at, b.submitted_at), n.created_at))
    FROM notification n LEFT JOIN notification b ON b.notification_id = n.told_in
        LEFT JOIN contact c ON c.contact_id = n.contact_id
    WHERE n.alert_id = a.alert_id AND %(phone)s IN (n.phone, c.phone) AND n.kind <> 'reply' AND (
        n.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed')
        OR b.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed')
        OR EXISTS (SELECT FROM sms_attempt t WHERE t.notification_id IN (n.notification_id, b.notification_id)
                   AND (t.outcome IS NULL OR t.outcome = 'uncertain'))))
FROM alert a JOIN zone z USING (zone_id)
WHERE a.zone_id = ANY(%(zones)s) AND a.state <> 'resolved' ORDER BY a.alert_id DESC;

-- told_last
-- What left for this phone last or may have, but for answers: its kind, zone and time. What left while the clock was ahead
-- is not counted once it was set back.
SELECT n.kind, n.zone_id, n.submitted_at FROM notification n
WHERE n.phone = %(phone)s AND n.kind <> 'reply' AND n.submitted_at <= %(now)s AND (
    n.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed')
    OR EXISTS (SELECT FROM sms_attempt t WHERE t.notification_id = n.notification_id
               AND (t.outcome IS NULL OR t.outcome = 'uncertain')))
ORDER BY n.submitted_at DESC LIMIT 1;

-- is_over
SELECT EXISTS (SELECT FROM alert WHERE code = %(code)s AND zone_id = ANY(%(zones)s) AND state = 'resolved');

-- handled
UPDATE sms_in SET handled_at = %(now)s, intention = %(intention)s, is_sure = %(is_sure)s, contact_id = %(contact)s,
    alert_id = %(alert)s
WHERE sms_in_id = %(id)s;

-- answered_since
-- How many answers this phone was given lately, and how many since a day ago; and how many lately because it rang. What was
-- answered while the clock was ahead is not counted once it was set back.
SELECT count(*) FILTER (WHERE created_at > %(hour)s), count(*),
       count(*) FILTER (WHERE created_at > %(hour)s AND reason = 'answers_a_call')
FROM notification
WHERE phone = %(phone)s AND kind = 'reply' AND created_at > %(day)s AND created_at <= %(now)s;

-- queue_answer
INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text, segments,
                          urgency, state, created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(alert)s, %(zone)s, %(contact)s, %(phone)s, 'reply', %(step)s, %(reason)s, %(language)s,
        %(text)s, %(segments)s, %(urgency)s, 'queued', %(now)s, %(now)s, %(valid_until)s);

-- strangers_answered
-- How many phones of nobody we know were answered since then.
SELECT count(*) FROM notification WHERE kind = 'reply' AND contact_id IS NULL
  AND created_at > %(day)s AND created_at <= %(now)s;
