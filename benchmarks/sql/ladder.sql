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

-- steps
-- Of each alert the steps in the order in which they were taken or passed over with a reason.
SELECT a.severity, l.rung, a.state = 'open', coalesce((
    SELECT array_agg(step ORDER BY at, place) FROM (
        SELECT n.step, n.created_at AS at, 0 AS place FROM notification n
        WHERE n.alert_id = a.alert_id AND n.kind = 'opened'
        UNION ALL
        SELECT e.detail->>'step', e.at, 1 FROM alert_event e WHERE e.alert_id = a.alert_id AND e.kind = 'not_told'
        UNION ALL
        SELECT c.step, c.since, 2 FROM call_list c WHERE c.alert_id = a.alert_id AND c.step = 'call_list') taken), '{}')
FROM alert a JOIN ladder l USING (alert_id) ORDER BY a.alert_id;

-- too_early
-- Steps that came sooner after the opening than their severity has it; but for those that came along with another
-- "no water" of which the same phone was told at that moment, because it was due.
WITH taken AS (
    SELECT t.*, a.severity, t.at >= a.opened_at
        + make_interval(secs => (%(delays)s::jsonb ->> (a.severity || '-' || t.step))::double precision) AS is_due
    FROM (SELECT alert_id, step, phone, created_at AS at FROM notification WHERE kind = 'opened'
          UNION ALL SELECT alert_id, step, NULL, since FROM call_list WHERE step = 'call_list') t
        JOIN alert a USING (alert_id))
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
SELECT b.ref, n.phone, c.role, a.severity, n.kind, a.acknowledged_at
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
