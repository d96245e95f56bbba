-- due
-- Alerts that are to be looked at, the gravest first.
SELECT l.alert_id, l.rung, l.origin_at, l.round, l.ends_at, a.state = 'resolved'
FROM ladder l JOIN alert a USING (alert_id)
WHERE l.due_at <= %(now)s ORDER BY a.severity DESC, l.due_at LIMIT %(limit)s FOR UPDATE OF l SKIP LOCKED;

-- back_after_its_end
-- Live alerts that came back, and in this round somebody was told that they are over. What is under way is waited for.
SELECT a.alert_id FROM alert a JOIN ladder l USING (alert_id)
WHERE a.state <> 'resolved' AND a.times > 1 AND EXISTS (
    SELECT FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'resolved'
      AND n.step = CASE WHEN l.round = 1 THEN 'resolved' ELSE 'resolved-' || l.round END
      AND n.state IN ('accepted', 'delivered', 'undelivered', 'no_receipt', 'abandoned'))
ORDER BY a.alert_id FOR NO KEY UPDATE OF a, l SKIP LOCKED;

-- not_in_charge
-- Who had taken it in charge was told that it is over.
UPDATE alert SET acknowledged_at = NULL, acknowledged_by = NULL, state = 'open' WHERE alert_id = ANY(%(alerts)s);

-- another_instead
-- Whose phone had rung enough this week when they were to be told was not told: their step is taken again, by another, while
-- nobody has taken the alert in charge.
WITH enough AS (
    SELECT n.notification_id, l.alert_id, a.state = 'acknowledged' OR EXISTS (
        SELECT FROM notification o WHERE o.alert_id = n.alert_id AND o.kind = 'opened'
          AND o.notification_id > n.notification_id) AS is_done
    FROM notification n JOIN alert a USING (alert_id) JOIN ladder l USING (alert_id)
    WHERE n.state = 'queued' AND n.reason = 'enough_this_week' AND a.state <> 'resolved' FOR UPDATE OF n, l SKIP LOCKED),
dropped AS (
    UPDATE notification n SET state = 'superseded' FROM enough WHERE n.notification_id = enough.notification_id)
UPDATE ladder l SET rung = greatest(rung - 1, 0), due_at = %(now)s FROM enough
WHERE l.alert_id = enough.alert_id AND NOT enough.is_done;

-- unheard
-- Live alerts that nobody has taken in charge, and of whose round nobody can have heard: what was written of it was dropped,
-- because it seemed to be over or with who has left.
SELECT a.alert_id FROM alert a JOIN ladder l USING (alert_id)
WHERE a.state = 'open' AND l.rung > 0 AND (
    SELECT bool_or(n.state IN ('superseded', 'expired') AND n.reason <> 'enough_this_week') AND bool_and(
        n.state IN ('superseded', 'expired', 'failed')
        AND NOT EXISTS (SELECT FROM sms_attempt t WHERE t.notification_id IN (n.notification_id, n.told_in)
                        AND (t.outcome IS NULL OR t.outcome = 'uncertain')))
    FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'opened'
      AND split_part(n.step, '-', 2) = CASE WHEN l.round = 1 THEN '' ELSE l.round::text END)
ORDER BY a.alert_id FOR NO KEY UPDATE OF a, l SKIP LOCKED;

-- next_round
UPDATE ladder SET round = round + 1, rung = 0, origin_at = %(now)s, due_at = %(now)s, ends_at = NULL
WHERE alert_id = ANY(%(alerts)s) RETURNING alert_id, round;

-- may_come_along
-- Open alerts of "no water" in the zones of these phones, but for those that have just moved on.
SELECT l.alert_id, l.rung, l.origin_at, l.round FROM ladder l JOIN alert a USING (alert_id)
WHERE l.due_at IS NOT NULL AND a.state = 'open' AND a.severity >= %(no_water)s
  AND a.zone_id IN (SELECT zone_id FROM contact WHERE phone = ANY(%(phones)s) AND is_active)
  AND l.alert_id <> ALL(%(taken)s)
ORDER BY l.due_at FOR UPDATE OF l SKIP LOCKED;

-- answered
-- Somebody who was told has answered: what waits for others, and what waits to be tried again is worth no tone. But who
-- was told that it is over hears that it is back.
UPDATE notification n SET state = 'superseded' FROM alert a
WHERE a.alert_id = n.alert_id AND n.state IN ('queued', 'held') AND n.kind = 'opened' AND a.state = 'acknowledged'
  AND (EXISTS (SELECT 1 FROM sms_in s WHERE s.alert_id = n.alert_id)
       OR EXISTS (SELECT 1 FROM notification o WHERE o.alert_id = n.alert_id
                  AND o.state IN ('accepted', 'delivered', 'no_receipt')))
  AND NOT EXISTS (SELECT FROM notification r WHERE r.alert_id = n.alert_id AND r.contact_id = n.contact_id
                  AND r.kind = 'resolved' AND r.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed'))
  AND NOT EXISTS (SELECT FROM notification b
                  WHERE b.notification_id = n.told_in AND b.state NOT IN ('queued', 'superseded'));

-- follow
-- What one message tells shares its fate; returned is what has just been told.
UPDATE notification n SET state = b.state, carrier = b.carrier, provider_id = b.provider_id,
    submitted_at = b.submitted_at, accepted_at = b.accepted_at, delivered_at = b.delivered_at, error = b.error
FROM notification b LEFT JOIN contact c USING (contact_id), notification o
WHERE b.kind = 'bundle' AND b.created_at >= %(since)s
  AND n.told_in = b.notification_id AND o.notification_id = n.notification_id AND n.state <> b.state
  AND n.state IN ('held', 'accepted', 'no_receipt', 'undelivered')
  AND b.state IN ('accepted', 'delivered', 'undelivered', 'no_receipt', 'failed', 'expired', 'abandoned')
RETURNING n.alert_id, b.notification_id, b.state, o.state = 'held', coalesce(c.name, b.phone), coalesce(c.role, ''),
          b.text, coalesce(b.delivered_at, b.accepted_at);

-- open_again
-- Of a message that waits, something is no longer so: it is written anew.
UPDATE notification b SET state = 'superseded' WHERE b.kind = 'bundle' AND b.state = 'queued'
  AND EXISTS (SELECT 1 FROM notification n LEFT JOIN alert a USING (alert_id) WHERE n.told_in = b.notification_id
              AND (n.state = 'superseded' OR n.kind IN ('opened', 'reminder') AND a.state = 'resolved'
                   OR n.kind = 'resolved' AND a.state <> 'resolved' OR n.kind = 'opened' AND a.state = 'acknowledged'
                      AND split_part(n.step, '-', 1) <> 'first'
                   OR n.kind <> 'resolved' AND a.shelved_until > %(now)s));

-- set_free
UPDATE notification n SET told_in = NULL FROM notification b
WHERE n.told_in = b.notification_id AND b.state = 'superseded' AND n.state = 'held';

-- renew
-- News of what is still there does not grow old while no route takes it; returned is what to write anew, and whether it is
-- a route that it has waited for. What may have left already has its time.
UPDATE notification n SET valid_until = %(valid_until)s
WHERE n.state IN ('queued', 'held') AND n.valid_until <= %(before)s
  AND EXISTS (SELECT FROM notification o JOIN alert a USING (alert_id)
              WHERE (o.notification_id = n.notification_id OR o.told_in = n.notification_id)
                AND o.kind = 'opened' AND a.state <> 'resolved')
  AND NOT EXISTS (SELECT FROM sms_attempt t WHERE t.notification_id IN (n.notification_id, n.told_in)
                  AND (t.outcome IS NULL OR t.outcome = 'uncertain'))
RETURNING n.notification_id, n.alert_id, n.contact_id,
          n.reason = 'no_route_for_a_while' OR n.state = 'queued' AND n.reason NOT IN ('enough_for_now', 'enough_this_week');

-- phones_that_wait
-- Whose held messages are due, or who has several that could not leave for a while.
SELECT phone FROM notification WHERE state = 'held' AND told_in IS NULL AND due_at <= %(now)s
UNION
SELECT phone FROM notification WHERE state = 'queued' AND (alert_id IS NOT NULL AND kind <> 'reply' OR kind = 'bundle')
  AND coalesce(due_at, created_at) <= %(now)s
GROUP BY phone HAVING count(*) > 1 AND min(coalesce(due_at, created_at)) <= %(stale_since)s
ORDER BY phone;

-- what_waits
-- What a phone is to be told now, the gravest first; in a bundle that could not leave, what it tells. What may have left
-- already stays alone: it is marked as possibly twice, or not sent again. The end of what is under way in a bundle waits
-- for the fate of that.
SELECT n.notification_id, n.alert_id, n.contact_id, n.zone_id, n.language, n.kind, n.state = 'held' AND n.told_in IS NULL,
       coalesce(n.due_at, n.created_at), n.told_in, n.urgency, a.code, a.severity, a.fault, n.reason, z.name,
       n.route
FROM notification n JOIN alert a USING (alert_id) JOIN zone z ON z.zone_id = a.zone_id
    LEFT JOIN notification b ON b.notification_id = n.told_in
WHERE n.phone = %(phone)s AND n.kind <> 'reply'
  AND (n.state = 'queued' AND coalesce(n.due_at, n.created_at) <= %(stale_since)s AND NOT EXISTS (
           SELECT 1 FROM sms_attempt t WHERE t.notification_id = n.notification_id
             AND (t.outcome IS NULL OR t.outcome = 'uncertain'))
       OR n.state = 'held' AND n.told_in IS NULL AND n.due_at <= %(now)s
       OR n.state = 'held' AND b.state = 'queued' AND b.due_at <= %(stale_since)s)
  AND (n.kind = 'resolved') = (a.state = 'resolved')
  AND (n.kind = 'resolved' OR (a.shelved_until IS NULL OR a.shelved_until <= %(now)s))
  AND (n.kind <> 'opened' OR a.state = 'open' OR split_part(n.step, '-', 1) = 'first')
  AND (n.kind <> 'resolved' OR NOT EXISTS (
      SELECT FROM notification o JOIN notification u ON u.notification_id = o.told_in
      WHERE o.alert_id = n.alert_id AND o.contact_id = n.contact_id AND o.kind <> 'resolved' AND o.state = 'held'
        AND u.state IN ('submitting', 'uncertain')))
ORDER BY n.urgency DESC, a.severity DESC, n.notification_id FOR UPDATE OF n;

-- told_to_phone
-- As `told_before`, of one phone and without what waits. Nothing is held for two days.
SELECT n.alert_id, n.contact_id, n.phone, n.zone_id, a.fault, a.severity, n.kind, n.step,
       'm' || coalesce(n.told_in, n.notification_id), coalesce(n.accepted_at, n.due_at, n.created_at),
       n.state IN ('superseded', 'expired', 'failed')
FROM notification n JOIN alert a USING (alert_id)
WHERE n.phone = %(phone)s AND n.kind <> 'reply' AND coalesce(n.accepted_at, n.due_at, n.created_at) >= %(since)s
  AND n.created_at >= %(since)s - interval '2 days'
  AND n.notification_id <> ALL(%(waiting)s) AND (n.state <> 'held' OR n.told_in IS NOT NULL);

-- put_off
UPDATE notification SET due_at = %(at)s, next_try_at = %(at)s
WHERE notification_id = ANY(%(waiting)s) AND state = 'held' AND told_in IS NULL;

-- until_morning
-- Also what was free to leave and could not before the night.
UPDATE notification SET due_at = %(at)s, next_try_at = %(at)s, state = 'held',
    reason = CASE WHEN state = 'queued' THEN 'no_route_for_a_while' ELSE reason END
WHERE notification_id = ANY(%(waiting)s) AND state IN ('held', 'queued') AND told_in IS NULL;

-- let_go
UPDATE notification SET state = 'queued', due_at = %(now)s, next_try_at = %(now)s WHERE notification_id = %(id)s;

-- bundle
INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments, urgency, route,
                          state, created_at, next_try_at, due_at, valid_until)
VALUES (%(ref)s, %(zone)s, %(contact)s, %(phone)s, 'bundle', 'bundle', 'told_with_others', %(language)s, %(text)s,
        %(segments)s, %(urgency)s, %(route)s, 'queued', %(now)s, %(now)s, %(now)s, %(valid_until)s)
RETURNING notification_id;

-- take_in
UPDATE notification SET told_in = %(bundle)s, state = 'held', due_at = %(now)s, valid_until = %(valid_until)s,
    reason = CASE WHEN %(is_after_outage)s THEN 'no_route_for_a_while' ELSE reason END
WHERE notification_id = ANY(%(waiting)s);

-- replace
UPDATE notification SET state = 'superseded' WHERE notification_id = ANY(%(bundles)s) AND state = 'queued';

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);
