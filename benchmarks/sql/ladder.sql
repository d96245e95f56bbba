-- do_not_wait_for_the_disk
-- Power cuts are not what is simulated here.
SET synchronous_commit = off;

-- fail
INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at, opened_at, confidence,
                   evidence)
VALUES (%(zone)s, %(fault)s, %(asset)s, %(severity)s, 'open', %(now)s, %(now)s, %(now)s, 1,
        '{"values": {}, "thresholds": {}, "channels": []}')
RETURNING alert_id;

-- gauges
-- One channel in each zone that sends readings.
WITH tower AS (
    INSERT INTO asset (zone_id, asset_id, kind, interval_s)
    SELECT zone_id, 'tower', 'tower', 60 FROM (SELECT zone_id, row_number() OVER (ORDER BY zone_id) AS n FROM zone) z
    WHERE n %% %(silent)s <> 0 RETURNING zone_id),
made AS (
    INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)
    SELECT zone_id, 'tower', 'level', 'm', false, 0, 4 FROM tower RETURNING channel_id)
INSERT INTO latest (channel_id, measured_at, received_at, value, flag)
SELECT channel_id, %(at)s, %(at)s, 1, 0 FROM made;

-- read
WITH heard AS (UPDATE latest SET measured_at = %(now)s, received_at = %(now)s RETURNING channel_id)
UPDATE alert SET last_evidence_at = %(now)s
WHERE state <> 'resolved' AND zone_id IN (SELECT zone_id FROM heard JOIN channel USING (channel_id));

-- mend
UPDATE alert SET state = 'resolved', resolved_at = %(now)s, cleared_at = %(now)s WHERE alert_id = %(alert)s;

-- told_by
-- Whose phone rang, and of which alerts.
SELECT n.phone, a.code FROM notification b JOIN notification n ON n.notification_id = b.notification_id
    OR n.told_in = b.notification_id JOIN alert a ON a.alert_id = n.alert_id
WHERE b.ref = ANY(%(refs)s) AND n.kind <> 'reply' ORDER BY n.notification_id;

-- back
INSERT INTO alert_event (alert_id, at, kind, who, detail) VALUES (%(alert)s, %(now)s, 'returned', 'ndiyan', '{}');

-- steps
-- Of each alert and round: the alert's severity and the round; its rung, since when its steps are counted and whether it is
-- open, null but for the round in which it stands; and the steps in the order in which they were taken or passed over
-- with a reason. That it is back is one step, however many hear it. Whose phone had rung enough this week was not told.
WITH taken AS (
    SELECT alert_id, step, min(created_at) AS at, 0 AS place FROM notification
    WHERE kind = 'opened' AND NOT (state = 'superseded' AND reason = 'enough_this_week') GROUP BY 1, 2
    UNION ALL SELECT alert_id, concat_ws('-', detail->>'step', detail->>'round'), at, 1 FROM alert_event
              WHERE kind = 'not_told' AND detail ? 'step'
    UNION ALL SELECT alert_id, step, since, 2 FROM call_list WHERE split_part(step, '-', 1) = 'call_list'),
rounds AS (
    SELECT alert_id, coalesce(nullif(split_part(step, '-', 2), '')::int, 1) AS number,
           array_agg(split_part(step, '-', 1) ORDER BY at, place) AS steps
    FROM taken GROUP BY 1, 2)
SELECT a.severity, number, CASE WHEN number = l.round THEN l.rung END, CASE WHEN number = l.round THEN l.origin_at END,
       CASE WHEN number = l.round THEN a.state = 'open' END, steps
FROM rounds JOIN alert a USING (alert_id) JOIN ladder l USING (alert_id) ORDER BY a.alert_id, number;

-- not_begun
-- Alerts on the ladder, beyond its first step, of whose round nothing was told and nothing written down.
SELECT count(*) FROM ladder l WHERE rung > 0
  AND NOT EXISTS (SELECT FROM notification n WHERE n.alert_id = l.alert_id AND n.kind = 'opened'
                  AND coalesce(nullif(split_part(n.step, '-', 2), '')::int, 1) = l.round)
  AND NOT EXISTS (SELECT FROM alert_event e WHERE e.alert_id = l.alert_id AND e.kind = 'not_told'
                  AND coalesce((e.detail->>'round')::int, 1) = l.round);

-- unheard
-- What is there and nobody has taken in charge, of whose round all that was written was dropped, and not because all had
-- the week's two.
SELECT count(*) FROM alert a JOIN ladder l USING (alert_id) WHERE a.state = 'open' AND (
    SELECT bool_and(n.state = 'superseded') FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'opened'
      AND n.reason <> 'enough_this_week'
      AND coalesce(nullif(split_part(n.step, '-', 2), '')::int, 1) = l.round);

-- left_with_the_end
-- Messages that told the end of what is there again, after which the same phone heard nothing more of it.
SELECT count(*) FROM notification e JOIN alert a USING (alert_id)
WHERE a.state <> 'resolved' AND e.kind = 'resolved'
  AND e.state IN ('accepted', 'delivered', 'no_receipt', 'undelivered', 'abandoned')
  AND NOT EXISTS (SELECT FROM notification n WHERE n.alert_id = e.alert_id AND n.phone = e.phone AND n.kind = 'opened'
                  AND n.created_at > e.created_at AND n.state <> 'superseded');

-- rounds
-- How many alerts were told once, twice and so on from the first step on.
SELECT round, count(*) FROM ladder GROUP BY round ORDER BY round;

-- too_early
-- Steps that came sooner after the opening, or after it was found back, than their severity has it; but for those that came along with another
-- "no water" of which the same phone was told at that moment, because it was due.
WITH begun AS (
    SELECT alert_id, 1 AS number, opened_at AS at FROM alert
    UNION ALL SELECT alert_id, (detail->>'round')::int, at FROM alert_event WHERE kind IN ('told_again', 'unheard')),
taken AS (
    SELECT t.*, a.severity, t.at >= b.at + make_interval(
        secs => (%(delays)s::jsonb ->> (a.severity || '-' || split_part(t.step, '-', 1)))::double precision) AS is_due
    FROM (SELECT alert_id, step, phone, created_at AS at FROM notification WHERE kind = 'opened'
          UNION ALL SELECT alert_id, step, NULL, since FROM call_list WHERE split_part(step, '-', 1) = 'call_list') t
        JOIN alert a USING (alert_id)
        JOIN begun b ON b.alert_id = t.alert_id AND b.number = coalesce(nullif(split_part(t.step, '-', 2), '')::int, 1))
SELECT count(*) FROM taken e WHERE NOT is_due AND NOT EXISTS (
    SELECT FROM taken o WHERE o.is_due AND o.phone = e.phone AND o.at = e.at AND o.alert_id <> e.alert_id
      AND 3 = ALL(ARRAY[o.severity, e.severity]));

-- too_late
-- What left later than its step has it.
SELECT count(*) FROM notification n LEFT JOIN notification b ON b.notification_id = n.told_in
    JOIN alert a ON a.alert_id = n.alert_id
WHERE n.kind = 'opened' AND coalesce(b.submitted_at, n.submitted_at, 'infinity') > a.opened_at + %(within)s
    + make_interval(secs => (%(delays)s::jsonb ->> (a.severity || '-' || n.step))::double precision);

-- second_route
-- SMS that ask the same people again by the other route.
SELECT b.ref FROM notification b JOIN notification n ON n.notification_id = b.notification_id
    OR n.told_in = b.notification_id GROUP BY b.ref HAVING bool_and(n.kind = 'bundle' OR n.step = 'second_route');

-- told
-- What each SMS told of which alert.
SELECT b.ref, n.phone, c.role, a.severity, n.kind, n.step, a.acknowledged_at
FROM notification b JOIN notification n ON n.notification_id = b.notification_id OR n.told_in = b.notification_id
    JOIN alert a ON a.alert_id = n.alert_id JOIN contact c ON c.contact_id = n.contact_id
WHERE n.kind <> 'reply';

-- untold
-- Alerts of which fewer than all heard.
SELECT count(*) FROM alert a WHERE %(people)s > (
    SELECT count(DISTINCT n.phone) FROM notification n
    WHERE n.alert_id = a.alert_id AND n.kind = 'opened' AND n.state IN ('accepted', 'delivered', 'no_receipt'));

-- states
SELECT state, count(*) FROM notification GROUP BY state ORDER BY state;
