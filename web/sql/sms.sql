-- notifications
-- The columns of a notification as pages read it; the statements below say which ones and go on from here.
SELECT n.notification_id, n.alert_id, n.zone_id, n.contact_id, coalesce(c.name, ''), coalesce(c.role, ''), n.phone,
       n.kind, n.step, n.reason, n.language, n.text, n.segments, n.urgency, n.carrier, n.state, n.attempts, n.provider_id,
       n.error, n.possible_duplicate, n.settled_by, n.created_at, n.next_try_at, n.valid_until, n.submitted_at,
       n.accepted_at, n.delivered_at
FROM notification n LEFT JOIN contact c USING (contact_id);

-- of_alerts
-- What was told about these alerts, to whom, and what became of it.
WHERE n.alert_id = ANY(%(alerts)s) ORDER BY n.created_at, n.notification_id;

-- one
WHERE n.notification_id = %(id)s;

-- page
-- Newest first; the cursor is the last row of the page before.
WHERE (%(states)s::text[] IS NULL OR n.state = ANY(%(states)s))
  AND (%(zone)s::text IS NULL OR n.zone_id = %(zone)s)
  AND (%(before_at)s::timestamptz IS NULL OR (n.created_at, n.notification_id) < (%(before_at)s, %(before_id)s::bigint))
ORDER BY n.created_at DESC, n.notification_id DESC LIMIT %(limit)s;

-- attempts
SELECT notification_id, carrier, began_at, ended_at, outcome, provider_id, detail FROM sms_attempt
WHERE notification_id = ANY(%(ids)s) ORDER BY sms_attempt_id;

-- receipts
SELECT notification_id, carrier, provider_ids, fate, at, received_at, phone, raw FROM sms_receipt
WHERE notification_id = ANY(%(ids)s) ORDER BY sms_receipt_id;

-- in_alert
-- What came in about an alert.
SELECT s.sms_in_id, s.kind, s.carrier, s.phone, s.text, s.received_at, s.contact_id, coalesce(c.name, ''),
       coalesce(c.role, ''), s.alert_id, s.intention, s.is_sure, s.handled_at,
       s.may_be_repeat
FROM sms_in s LEFT JOIN contact c USING (contact_id) WHERE s.alert_id = %(alert)s ORDER BY s.received_at, s.sms_in_id;

-- inbound
-- What came in, newest first; `known` and `kind` choose, null takes all.
SELECT s.sms_in_id, s.kind, s.carrier, s.phone, s.text, s.received_at, s.contact_id, coalesce(c.name, ''),
       coalesce(c.role, ''), s.alert_id, s.intention, s.is_sure, s.handled_at,
       s.may_be_repeat
FROM sms_in s LEFT JOIN contact c USING (contact_id)
WHERE (%(known)s::bool IS NULL OR (s.contact_id IS NOT NULL) = %(known)s)
  AND (%(kind)s::text IS NULL OR s.kind = %(kind)s)
  AND (%(before_at)s::timestamptz IS NULL OR (s.received_at, s.sms_in_id) < (%(before_at)s, %(before_id)s::bigint))
ORDER BY s.received_at DESC, s.sms_in_id DESC LIMIT %(limit)s;

-- strangers
-- Phones that belong to nobody we know and wrote or rang, the newest first, with the last that they wrote.
SELECT phone, count(*) FILTER (WHERE kind = 'sms'), count(*) FILTER (WHERE kind = 'call'), min(received_at),
       max(received_at), max(sms_in_id), coalesce((array_agg(text ORDER BY sms_in_id DESC) FILTER (WHERE kind = 'sms'))[1], '')
FROM sms_in WHERE contact_id IS NULL AND handled_at IS NOT NULL
GROUP BY phone
HAVING %(before_at)s::timestamptz IS NULL OR (max(received_at), max(sms_in_id)) < (%(before_at)s, %(before_id)s::bigint)
ORDER BY max(received_at) DESC, max(sms_in_id) DESC LIMIT %(limit)s;

-- counts
-- What waits now, and what the last days made of the others.
SELECT count(*) FILTER (WHERE state = ANY(%(waiting)s)),
       count(*) FILTER (WHERE state = ANY(%(unknown)s) AND created_at >= %(since)s),
       count(*) FILTER (WHERE state = ANY(%(failed)s) AND created_at >= %(since)s),
       count(*) FILTER (WHERE state = 'delivered' AND created_at >= %(since)s)
FROM notification WHERE state = ANY(%(waiting)s) OR created_at >= %(since)s;

-- routes
SELECT carrier, is_up, since, detail, balance, balance_unit, expires_at, asked_at, low_since FROM carrier_state ORDER BY carrier;

-- purse
-- What each committee's SMS came to in a month: every hand-over that a route took or may have taken is paid for;
-- a bundle once, and not again for what it tells.
WITH paid AS (
    SELECT n.zone_id, date_trunc('month', n.created_at, 'UTC')::date AS month, n.kind, n.state, n.segments,
           coalesce(t.taken, (n.accepted_at IS NOT NULL)::int) AS taken
    FROM notification n
    LEFT JOIN (SELECT notification_id, count(*) FILTER (WHERE outcome IN ('accepted', 'uncertain')) AS taken
               FROM sms_attempt GROUP BY notification_id) t USING (notification_id)
    WHERE n.created_at >= %(since)s AND n.told_in IS NULL)
SELECT p.month, z.zone_id, z.name, count(*) FILTER (WHERE taken > 0), count(*) FILTER (WHERE taken > 0 AND kind = 'reply'),
       sum(taken)::int8, sum(taken * segments)::int8,
       count(*) FILTER (WHERE state = 'delivered'),
       count(*) FILTER (WHERE taken > 0 AND state IN ('accepted', 'uncertain', 'no_receipt', 'abandoned'))
FROM paid p JOIN zone z USING (zone_id)
WHERE %(zone)s::text IS NULL OR p.zone_id = %(zone)s
GROUP BY p.month, z.zone_id, z.name HAVING sum(taken) > 0
ORDER BY p.month DESC, z.zone_id;

-- caps
-- The most that a phone was told within an hour, a day and a week of the time looked at; answers to what people ask
-- are not counted, and "no water" (urgency 4), which nothing holds back, stands apart.
WITH told AS (
    SELECT n.phone, n.urgency, n.accepted_at,
           count(*) FILTER (WHERE n.urgency < 4) OVER hour AS in_hour,
           count(*) FILTER (WHERE n.urgency < 4) OVER day AS in_day,
           count(*) FILTER (WHERE n.urgency < 4) OVER week AS in_week
    FROM notification n
    WHERE n.kind <> 'reply' AND n.told_in IS NULL AND n.accepted_at >= %(since)s
    WINDOW hour AS (PARTITION BY n.phone ORDER BY n.accepted_at RANGE BETWEEN '1 hour' PRECEDING AND CURRENT ROW),
           day AS (PARTITION BY n.phone ORDER BY n.accepted_at RANGE BETWEEN '1 day' PRECEDING AND CURRENT ROW),
           week AS (PARTITION BY n.phone ORDER BY n.accepted_at RANGE BETWEEN '7 days' PRECEDING AND CURRENT ROW))
SELECT c.zone_id, z.name, c.name, c.role, c.phone, max(t.in_hour), max(t.in_day), max(t.in_week),
       count(*) FILTER (WHERE t.urgency = 4)
FROM told t JOIN contact c USING (phone) JOIN zone z ON z.zone_id = c.zone_id
WHERE c.is_active
GROUP BY c.contact_id, z.name ORDER BY max(t.in_week) DESC, c.zone_id, c.rank;
