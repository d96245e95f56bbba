-- down_elsewhere
SELECT carrier FROM carrier_state WHERE NOT is_up AND carrier = ANY(%(routes)s);

-- supersede
-- What waits about an alert that has moved on is no longer worth a phone's tone, and an end that was none is not told.
-- What has been handed over with others in one message waits no more: it has the fate of that message.
UPDATE notification n SET state = 'superseded' FROM alert a
WHERE a.alert_id = n.alert_id AND n.state IN ('queued', 'held') AND n.kind IN ('opened', 'reminder', 'resolved')
  AND ((a.state = 'resolved') <> (n.kind = 'resolved')
       OR (a.state = 'acknowledged' AND n.kind = 'opened' AND split_part(n.step, '-', 1) <> 'first'))
  AND NOT EXISTS (SELECT FROM notification b
                  WHERE b.notification_id = n.told_in AND b.state NOT IN ('queued', 'superseded'));

-- supersede_closings
-- Nobody needs to hear the end of what they never heard of, or of whose end they heard and not that it was back. While
-- that is under way in a message of several, nobody knows, and the end waits.
UPDATE notification n SET state = 'superseded'
WHERE n.state IN ('queued', 'held') AND n.kind = 'resolved' AND NOT EXISTS (
    SELECT 1 FROM notification o LEFT JOIN notification b ON b.notification_id = o.told_in
    WHERE o.alert_id = n.alert_id AND o.contact_id = n.contact_id
      AND o.kind <> 'resolved' AND o.state NOT IN ('superseded', 'expired', 'failed')
      AND (o.state <> 'held' OR b.state NOT IN ('queued', 'superseded'))
      AND o.notification_id > coalesce((
          SELECT max(p.notification_id) FROM notification p
          WHERE p.alert_id = n.alert_id AND p.contact_id = n.contact_id AND p.kind = 'resolved'
            AND p.notification_id < n.notification_id
            AND p.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed')), 0));

-- renumber
-- Who has another number since hears by that one what has not left yet.
UPDATE notification n SET phone = c.phone FROM contact c
WHERE c.contact_id = n.contact_id AND c.is_active AND n.phone <> c.phone AND n.state IN ('queued', 'held')
  AND n.kind <> 'reply';

-- supersede_gone
-- Who has left a committee hears nothing more of its zone; what answers them still goes.
UPDATE notification n SET state = 'superseded' FROM contact c
WHERE c.contact_id = n.contact_id AND NOT c.is_active AND n.state IN ('queued', 'held') AND n.kind <> 'reply';

-- expire
UPDATE notification SET state = 'expired' WHERE state IN ('queued', 'held') AND valid_until < %(now)s;

-- claim
-- Marked, with the attempt, and committed before the first byte leaves. What matters most leaves first. What is no longer
-- true, was put on the shelf or has had its time stays, and so does news for who wants none, and the end of what has not
-- arrived yet. A message waits for its own route unless that one is down; what a route refused for good is not offered to it
-- again. What may have left by another route is a second SMS by this one, whatever that one does with a repeat: news of a
-- fault is marked, the rest waits for the other. At night of all that alerts tell "no water" and its end ring alone, and what
-- one message tells with them. What can wait and would ring a phone too often is put off: since that was decided, "no water"
-- may have overtaken it, or another service have told the same volunteer. Who had the week's two then is not waited for: the climber
-- gives the step to another; but who was told that it is over hears that it is back. What left while the clock was ahead is not counted once it was set back.
WITH due AS (
    SELECT n.notification_id, n.phone, n.urgency, elsewhere.may_have_left,
           n.kind <> 'reply' AND (n.alert_id IS NOT NULL OR n.kind = 'bundle') AS is_counted,
           n.kind = 'opened' AND a.severity < %(gravest)s AND c.role = ANY(%(volunteers)s) AND NOT EXISTS (
               SELECT FROM notification r WHERE r.alert_id = n.alert_id AND r.contact_id = n.contact_id
                 AND r.kind = 'resolved' AND r.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed')
           ) AS is_weekly
    FROM notification n LEFT JOIN alert a USING (alert_id) LEFT JOIN contact c ON c.contact_id = n.contact_id
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT 1 FROM sms_attempt t
                       WHERE t.notification_id = n.notification_id AND t.carrier <> %(carrier)s
                         AND (t.outcome IS NULL OR t.outcome = 'uncertain')) AS may_have_left) elsewhere
    WHERE n.state = 'queued' AND n.next_try_at <= %(now)s AND n.valid_until >= %(now)s
      AND (n.route %% %(routes)s = %(place)s OR n.route %% %(routes)s = ANY(%(down)s)
           OR n.next_try_at <= %(patient_until)s)
      AND (n.kind IN ('reply', 'resolved') OR a.shelved_until IS NULL OR a.shelved_until <= %(now)s)
      AND (n.kind NOT IN ('opened', 'reminder') OR a.state = 'open'
           OR (a.state = 'acknowledged' AND (n.kind = 'reminder' OR split_part(n.step, '-', 1) = 'first')))
      AND (n.kind <> 'resolved' OR a.state = 'resolved' AND NOT EXISTS (
          SELECT FROM notification o WHERE o.alert_id = n.alert_id AND o.contact_id = n.contact_id
            AND o.kind <> 'resolved' AND o.state = 'held'))
      AND (n.kind = 'reply' OR n.phone NOT IN (SELECT phone FROM opted_out))
      AND (n.urgency >= %(may_be_twice)s OR NOT elsewhere.may_have_left)
      AND (NOT %(is_night)s OR n.kind = 'reply' OR (n.alert_id IS NULL AND n.kind <> 'bundle')
           OR (n.kind IN ('opened', 'resolved') AND a.severity >= %(gravest)s)
           OR EXISTS (SELECT 1 FROM notification m JOIN alert ma USING (alert_id) WHERE m.told_in = n.notification_id
                      AND m.kind IN ('opened', 'resolved') AND ma.severity >= %(gravest)s))
      AND NOT EXISTS (SELECT 1 FROM sms_attempt t WHERE t.notification_id = n.notification_id
                      AND t.carrier = %(carrier)s AND t.outcome = 'refused_for_good')
    ORDER BY n.urgency DESC, n.notification_id LIMIT %(limit)s FOR UPDATE OF n SKIP LOCKED),
counted AS (
    SELECT d.notification_id, d.may_have_left,
           CASE WHEN NOT d.is_capped THEN NULL
                WHEN d.is_weekly AND rang.in_week + d.week_place > %(per_week)s THEN 'enough_this_week'
                WHEN rang.in_hour + d.place > %(per_hour)s OR rang.in_day + d.place > %(per_day)s
                THEN 'enough_for_now' END AS too_much
    FROM (SELECT notification_id, phone, may_have_left, is_counted AND urgency < %(no_water)s AS is_capped, is_weekly,
                 count(*) FILTER (WHERE is_weekly) OVER (PARTITION BY phone ORDER BY urgency DESC, notification_id)
                     AS week_place,
                 count(*) FILTER (WHERE is_counted) OVER (PARTITION BY phone ORDER BY urgency DESC, notification_id)
                     AS place FROM due) d
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE t.began_at > %(now)s - interval '1 hour') AS in_hour,
                   count(*) FILTER (WHERE t.began_at >= %(now)s - interval '1 day') AS in_day,
                   count(DISTINCT o.notification_id) FILTER (
                       WHERE o.notification_id <> d.notification_id AND EXISTS (
                           SELECT FROM notification m JOIN alert ma USING (alert_id)
                           WHERE (m.notification_id = o.notification_id OR m.told_in = o.notification_id)
                             AND m.kind <> 'resolved' AND ma.severity < %(gravest)s)) AS in_week
            FROM notification o JOIN sms_attempt t USING (notification_id)
            WHERE d.is_capped AND o.phone = d.phone
              AND o.created_at > %(now)s - CASE WHEN d.is_weekly THEN interval '10 days' ELSE interval '4 days' END
              AND o.kind <> 'reply' AND (o.alert_id IS NOT NULL OR o.kind = 'bundle')
              AND t.began_at BETWEEN %(now)s - CASE WHEN d.is_weekly THEN interval '7 days' ELSE interval '1 day' END AND %(again)s
              AND (t.outcome IS NULL OR t.outcome IN ('accepted', 'uncertain'))) rang),
put_off AS (
    UPDATE notification n SET next_try_at = %(again)s, reason = counted.too_much
    FROM counted WHERE n.notification_id = counted.notification_id AND counted.too_much IS NOT NULL),
claimed AS (
    UPDATE notification n SET state = 'submitting', submitted_at = %(now)s, attempts = attempts + 1,
        carrier = %(carrier)s, route = %(place)s, provider_id = NULL,
        possible_duplicate = n.possible_duplicate OR counted.may_have_left
    FROM counted WHERE n.notification_id = counted.notification_id AND counted.too_much IS NULL
    RETURNING n.notification_id, n.ref, n.phone, n.text, n.urgency, n.valid_until),
begun AS (
    INSERT INTO sms_attempt (notification_id, carrier, began_at)
    SELECT notification_id, %(carrier)s, %(now)s FROM claimed)
SELECT ref, phone, text, urgency, valid_until FROM claimed ORDER BY urgency DESC, notification_id;

-- left_over
-- Hand-overs whose outcome nobody waits for any more, the oldest first.
SELECT notification_id, ref, phone, text, urgency, valid_until, submitted_at FROM notification
WHERE state IN ('submitting', 'uncertain') AND carrier = %(carrier)s AND submitted_at <= %(before)s
  AND ref <> ALL(%(in_hand)s) ORDER BY submitted_at, notification_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- left_by_no_route
-- Hand-overs to a route that stands in the settings no more: nobody is left who could tell their outcome.
SELECT notification_id, urgency FROM notification
WHERE state IN ('submitting', 'uncertain') AND carrier <> ALL(%(routes)s) AND submitted_at <= %(before)s
ORDER BY submitted_at, notification_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- accepted
-- The route has them. Their hand-overs that are under way have that outcome, the stories tell it, and receipts that came
-- before the answer which told us the id are placed and returned.
WITH told AS (
    SELECT n.notification_id, t.provider_id, (
        SELECT max(sms_attempt_id) FROM sms_attempt a WHERE a.notification_id = n.notification_id
          AND a.carrier = %(carrier)s) AS sms_attempt_id
    FROM unnest(%(refs)s::uuid[], %(provider_ids)s::text[]) AS t(ref, provider_id) JOIN notification n USING (ref)),
ended AS (
    UPDATE sms_attempt a SET ended_at = %(now)s, outcome = 'accepted', provider_id = told.provider_id, detail = NULL
    FROM told WHERE a.sms_attempt_id = told.sms_attempt_id),
taken AS (
    UPDATE notification n SET state = 'accepted', carrier = %(carrier)s, provider_id = told.provider_id,
        accepted_at = %(now)s, error = NULL, settled_by = %(settled_by)s
    FROM told WHERE n.notification_id = told.notification_id AND n.state IN ('queued', 'submitting', 'uncertain')
    RETURNING n.notification_id, n.alert_id, n.contact_id, n.phone, n.text, n.provider_id),
story AS (
    INSERT INTO alert_event (alert_id, at, kind, who, detail)
    SELECT n.alert_id, %(now)s, 'told', coalesce(c.name, n.phone) || ' (' || coalesce(c.role, '') || ')',
           jsonb_build_object('notification_id', n.notification_id, 'name', coalesce(c.name, n.phone),
                              'role', coalesce(c.role, ''), 'text', n.text)
    FROM taken n LEFT JOIN contact c USING (contact_id) WHERE n.alert_id IS NOT NULL ORDER BY n.notification_id)
UPDATE sms_receipt r SET notification_id = n.notification_id FROM taken n
WHERE r.carrier = %(carrier)s AND r.notification_id IS NULL AND (r.phone = n.phone OR r.phone IS NULL)
  AND n.provider_id = ANY(r.provider_ids)
RETURNING r.notification_id, r.fate, r.at;

-- end_attempt
-- The hand-over that is under way has its outcome, and it was not taken; unless a receipt has told already that it was.
UPDATE sms_attempt t SET ended_at = %(now)s, outcome = %(outcome)s, detail = %(detail)s
FROM notification n
WHERE n.ref = %(ref)s AND t.outcome IS DISTINCT FROM 'accepted' AND t.sms_attempt_id = (
    SELECT max(sms_attempt_id) FROM sms_attempt WHERE notification_id = n.notification_id AND carrier = %(carrier)s);

-- uncertain
UPDATE notification SET state = 'uncertain', error = %(detail)s
WHERE ref = %(ref)s AND carrier = %(carrier)s AND state = 'submitting';

-- throttled
-- The route takes it later; that is no failure. What would wait for it longer than a message waits for its own route goes
-- to the next in the ring at once, but to none that never takes it or has just said the same: they would pass it round
-- without a rest. What is in another route's hands meanwhile stays there.
UPDATE notification n SET state = 'queued', attempts = n.attempts - 1, route = coalesce(next.place, n.route),
    next_try_at = CASE WHEN next.place IS NULL THEN %(again)s ELSE %(now)s END
FROM notification o LEFT JOIN LATERAL (
    SELECT r.number - 1 AS place
    FROM unnest(%(carriers)s::text[]) WITH ORDINALITY AS r(carrier, number)
    WHERE %(again)s > coalesce(o.due_at, o.created_at) + %(patience)s AND r.carrier <> %(carrier)s
      AND NOT EXISTS (SELECT 1 FROM sms_attempt t
                      WHERE t.notification_id = o.notification_id AND t.carrier = r.carrier
                        AND (t.outcome = 'refused_for_good' OR t.outcome = 'throttled'
                             AND t.ended_at BETWEEN %(now)s - %(patience)s AND %(now)s))
    ORDER BY r.number < array_position(%(carriers)s, %(carrier)s), r.number LIMIT 1) next ON true
WHERE o.ref = %(ref)s AND n.notification_id = o.notification_id AND n.state = 'submitting'
  AND n.carrier = %(carrier)s;

-- attempts
SELECT attempts FROM notification WHERE ref = %(ref)s;

-- refused
-- The next route is asked, at once or after a while.
UPDATE notification SET state = 'queued', error = %(detail)s, next_try_at = %(again)s, route = route + 1
WHERE ref = %(ref)s AND carrier = %(carrier)s AND state IN ('submitting', 'uncertain');

-- failed
UPDATE notification SET state = 'failed', error = %(detail)s
WHERE ref = %(ref)s AND carrier = %(carrier)s AND state IN ('submitting', 'uncertain') RETURNING notification_id;

-- refused_for_good_by
SELECT count(DISTINCT t.carrier) FROM sms_attempt t JOIN notification n USING (notification_id)
WHERE n.ref = %(ref)s AND t.outcome = 'refused_for_good' AND t.carrier = ANY(%(carriers)s);

-- doubts
-- How often an SMS was handed over without a word of what became of it: by this route, and by all.
SELECT count(*) FILTER (WHERE carrier = %(carrier)s), count(*) FROM sms_attempt
WHERE notification_id = %(id)s AND (outcome IS NULL OR outcome = 'uncertain');

-- send_again
UPDATE notification SET state = 'queued', next_try_at = %(again)s, settled_by = 'nobody',
    route = route + %(moves_on)s::int, possible_duplicate = possible_duplicate OR %(is_doubtful)s
WHERE notification_id = %(id)s AND state IN ('submitting', 'uncertain');

-- abandon
UPDATE notification SET state = 'abandoned', settled_by = 'nobody'
WHERE notification_id = %(id)s AND state IN ('submitting', 'uncertain');

-- store_receipts
-- Each once, as it came. It belongs to the SMS of our reference where the route gives that back, else to that of its id: as
-- it was written rather than as it may have been meant, and the newest, should ids come again, of one phone. Returned is
-- what is new and has its place.
WITH told AS (
    SELECT * FROM jsonb_to_recordset(%(receipts)s::jsonb)
        AS r(provider_ids text[], ref uuid, fate text, at timestamptz, phone text, text_head text, raw text)),
stored AS (
    INSERT INTO sms_receipt (carrier, provider_ids, fate, at, phone, text_head, raw, received_at, notification_id)
    SELECT %(carrier)s, r.provider_ids, r.fate, r.at, r.phone, r.text_head, r.raw, %(now)s, coalesce((
        SELECT n.notification_id FROM notification n JOIN sms_attempt t USING (notification_id)
        WHERE n.ref = r.ref AND t.carrier = %(carrier)s AND (r.phone IS NULL OR n.phone = r.phone) LIMIT 1), (
        SELECT t.notification_id FROM sms_attempt t JOIN notification n USING (notification_id)
        WHERE t.carrier = %(carrier)s AND t.provider_id = ANY(r.provider_ids) AND (r.phone IS NULL OR n.phone = r.phone)
        ORDER BY array_position(r.provider_ids, t.provider_id), t.sms_attempt_id DESC LIMIT 1))
    FROM told r ON CONFLICT DO NOTHING RETURNING notification_id, fate, at, provider_ids)
SELECT notification_id, fate, at, coalesce(provider_ids[1], '') FROM stored WHERE notification_id IS NOT NULL;

-- without_answer
-- Of those that receipts speak of, which the route has taken without an answer that reached us. What did not arrive is
-- over if it is in this route's hands or waits for it: what another has, or is next to have, stays there.
SELECT n.notification_id, n.ref FROM notification n
WHERE n.notification_id = ANY(%(ids)s) AND n.state IN ('queued', 'submitting', 'uncertain')
  AND EXISTS (SELECT 1 FROM sms_attempt t WHERE t.notification_id = n.notification_id AND t.carrier = %(carrier)s
              AND (t.outcome IS NULL OR t.outcome = 'uncertain'))
  AND (n.notification_id <> ALL(%(undelivered)s::bigint[])
       OR CASE WHEN n.state = 'queued' THEN n.route %% %(routes)s = %(place)s ELSE n.carrier = %(carrier)s END);

-- place_receipt
UPDATE sms_receipt SET notification_id = %(id)s WHERE sms_receipt_id = %(receipt)s;

-- receipts_of_uncertain
-- Receipts that nobody could place and that speak of this SMS: to its phone, repeating its first letters; or, where
-- they repeat none, to a phone for which nothing else is uncertain.
SELECT r.sms_receipt_id, coalesce(r.provider_ids[1], ''), r.fate, r.at FROM sms_receipt r
WHERE r.carrier = %(carrier)s AND r.notification_id IS NULL AND r.received_at >= %(since)s AND r.phone = %(phone)s
  AND CASE WHEN r.text_head <> '' THEN starts_with(%(text)s, r.text_head)
           ELSE 1 = (SELECT count(*) FROM notification n WHERE n.phone = %(phone)s AND n.carrier = %(carrier)s
                     AND n.state IN ('submitting', 'uncertain')) END
ORDER BY r.sms_receipt_id;

-- fates
-- The rank only rises: a late "delivered" wins over everything, "undelivered" over no news, nothing over "delivered". Only
-- that it arrived counts from a route which has it no more.
WITH known AS (
    UPDATE notification n SET state = t.state,
        delivered_at = CASE WHEN t.state = 'delivered' THEN t.at ELSE n.delivered_at END
    FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(instants)s::timestamptz[]) AS t(notification_id, state, at)
    WHERE n.notification_id = t.notification_id AND n.state <> 'delivered'
      AND (t.state = 'delivered' OR n.carrier = %(carrier)s AND n.state IN ('accepted', 'no_receipt'))
    RETURNING n.notification_id, n.alert_id, n.contact_id, n.phone, t.state, t.at)
INSERT INTO alert_event (alert_id, at, kind, who, detail)
SELECT n.alert_id, n.at, 'delivered', coalesce(c.name, n.phone) || ' (' || coalesce(c.role, '') || ')',
       jsonb_build_object('notification_id', n.notification_id, 'name', coalesce(c.name, n.phone),
                          'role', coalesce(c.role, ''))
FROM known n LEFT JOIN contact c USING (contact_id) WHERE n.state = 'delivered' AND n.alert_id IS NOT NULL
ORDER BY n.notification_id;

-- not_sent
-- What the route took and then could not send, and nothing says that it left: it has refused them, and the next route has
-- them, if one is up that may. What one message tells waits with it.
WITH found AS (
    SELECT n.notification_id FROM notification n
    WHERE n.ref = ANY(%(refs)s) AND n.carrier = %(carrier)s AND n.state = 'undelivered' AND n.settled_by IS NULL
      AND NOT EXISTS (SELECT FROM sms_receipt r WHERE r.notification_id = n.notification_id
                      AND r.carrier = %(carrier)s AND r.fate IN ('on_the_network', 'delivered'))
      AND EXISTS (SELECT FROM unnest(%(carriers)s::text[]) AS o(carrier) WHERE o.carrier <> %(carrier)s AND NOT EXISTS (
          SELECT FROM sms_attempt t WHERE t.notification_id = n.notification_id AND t.carrier = o.carrier
            AND t.outcome = 'refused_for_good'))),
refused AS (
    UPDATE sms_attempt t SET outcome = 'refused_for_good', detail = 'taken and not sent' FROM found
    WHERE t.notification_id = found.notification_id AND t.carrier = %(carrier)s AND t.outcome = 'accepted'),
told AS (
    UPDATE notification n SET state = 'held' FROM found
    WHERE n.told_in = found.notification_id AND n.state IN ('accepted', 'no_receipt', 'undelivered'))
UPDATE notification n SET state = 'queued', route = n.route + 1, next_try_at = %(now)s, accepted_at = NULL,
    error = 'taken and not sent'
FROM found WHERE n.notification_id = found.notification_id RETURNING n.notification_id;

-- without_receipt
UPDATE notification SET state = 'no_receipt'
WHERE state = 'accepted' AND carrier = %(carrier)s AND accepted_at <= %(before)s;

-- store_inbound
INSERT INTO sms_in (carrier, provider_id, kind, phone, text, received_at, repeat_keys, may_be_repeat)
VALUES (%(carrier)s, %(provider_id)s, %(kind)s, %(phone)s, %(text)s, %(at)s, nullif(%(repeat_keys)s::text[], '{}'),
        %(may_be_repeat)s)
ON CONFLICT (carrier, provider_id) DO NOTHING;

-- unhandled
-- A few at once: what waits to be told does not wait for a flood of what was said.
SELECT sms_in_id, kind, phone, text FROM sms_in WHERE handled_at IS NULL ORDER BY sms_in_id LIMIT 50;

-- give_up
UPDATE sms_in SET handled_at = %(now)s, intention = 'failed', is_sure = false WHERE sms_in_id = %(id)s;

-- state_of_route
-- Returns whether its credit has become too little just now; where it does not tell, that stays as it was.
INSERT INTO carrier_state (carrier, is_up, since, detail, balance, balance_unit, expires_at, asked_at, low_since)
VALUES (%(carrier)s, %(is_up)s, %(now)s, %(detail)s, %(balance)s, %(balance_unit)s, %(expires_at)s, %(now)s,
        CASE WHEN %(is_low)s THEN %(now)s END)
ON CONFLICT (carrier) DO UPDATE SET is_up = EXCLUDED.is_up, detail = EXCLUDED.detail, balance = EXCLUDED.balance,
    balance_unit = EXCLUDED.balance_unit, expires_at = EXCLUDED.expires_at, asked_at = EXCLUDED.asked_at,
    since = CASE WHEN carrier_state.is_up = EXCLUDED.is_up THEN carrier_state.since ELSE EXCLUDED.since END,
    low_since = CASE WHEN %(is_low)s IS NULL THEN carrier_state.low_since
                     WHEN %(is_low)s THEN coalesce(carrier_state.low_since, EXCLUDED.low_since) END
RETURNING coalesce(low_since = %(now)s, false);
