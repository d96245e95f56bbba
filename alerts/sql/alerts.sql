-- ensure_jobs
-- Every zone has its due work; a new zone is judged from its first reading on. Only new ones are offered: a conflict with
-- a row that another evaluator has in its hands would be waited for.
INSERT INTO job (name, zone_id, next_due_at) SELECT %(name)s, zone_id, %(now)s FROM zone z
WHERE NOT EXISTS (SELECT FROM job j WHERE j.name = %(name)s AND j.zone_id = z.zone_id) ON CONFLICT DO NOTHING;

-- take_jobs
-- Zones whose judging is due; another evaluator passes over them until this transaction ends.
SELECT zone_id, watermark_at FROM job WHERE name = %(name)s AND next_due_at <= %(due_by)s
ORDER BY next_due_at, zone_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED;

-- take_late_arrivals
DELETE FROM late_arrival WHERE zone_id = ANY(%(zones)s) RETURNING zone_id, first_at;

-- finish_job
UPDATE job SET next_due_at = %(next)s, watermark_at = %(watermark)s, last_ok_at = %(now)s, last_error = NULL, attempts = 0
WHERE name = %(name)s AND zone_id = %(zone)s;

-- fail_job
UPDATE job SET next_due_at = %(next)s, last_error = %(error)s, attempts = attempts + 1
WHERE name = %(name)s AND zone_id = %(zone)s;

-- newest_readings
-- Of all sensors' channels of each zone, by measured time and by what has been received.
SELECT zone_id, max(measured_at) FROM latest JOIN channel USING (channel_id)
WHERE zone_id = ANY(%(zones)s) AND by_hand_of IS NULL
GROUP BY zone_id;

-- first_readings
SELECT c.zone_id, min(first.measured_at) FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT measured_at FROM reading r WHERE r.channel_id = l.channel_id ORDER BY measured_at LIMIT 1
) first WHERE c.zone_id = ANY(%(zones)s) AND c.by_hand_of IS NULL GROUP BY c.zone_id;

-- span
-- The first and the newest measured time of all sensors' channels.
SELECT (SELECT min(first.measured_at) FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
            SELECT measured_at FROM reading r WHERE r.channel_id = l.channel_id ORDER BY measured_at LIMIT 1) first
        WHERE c.by_hand_of IS NULL),
       (SELECT max(measured_at) FROM latest JOIN channel USING (channel_id) WHERE by_hand_of IS NULL);

-- ever_heard
-- Which of these channels have ever said anything.
SELECT channel_id FROM latest WHERE channel_id = ANY(%(channels)s);

-- past_days
-- Features of days in [from, until), told by how many days they lie before `until`.
SELECT zone_id, %(until)s - day, features FROM zone_day
WHERE zone_id = ANY(%(zones)s) AND day >= %(from)s AND day < %(until)s;

-- keep_day
INSERT INTO zone_day (zone_id, day, features) VALUES (%(zone)s, %(day)s, %(features)s::jsonb)
ON CONFLICT (zone_id, day) DO UPDATE SET features = EXCLUDED.features WHERE zone_day.features <> EXCLUDED.features;

-- outages_to_tell
-- Zones that are silent and nobody has been told of; those that opened before every zone had been judged since. A zone is
-- due so long after it was judged.
SELECT alert_id, zone_id, opened_at <= %(patient_until)s FROM alert LEFT JOIN ladder USING (alert_id)
WHERE fault = 'comms_outage' AND state <> 'resolved' AND explained_by IS NULL AND ladder.alert_id IS NULL
  AND (opened_at <= (SELECT min(next_due_at) - %(every)s FROM job WHERE name = %(name)s)
       OR opened_at <= %(patient_until)s)
ORDER BY opened_at, alert_id;

-- lock_silent_zones
-- Of the silent zones those that nobody judges or looks at right now, and whether these are all.
WITH silent AS (
    SELECT DISTINCT zone_id FROM alert WHERE fault = 'comms_outage' AND state <> 'resolved'
), ours AS (
    SELECT zone_id FROM job WHERE name = %(name)s AND zone_id IN (SELECT zone_id FROM silent)
    ORDER BY zone_id FOR UPDATE SKIP LOCKED
)
SELECT zone_id, (SELECT count(*) FROM ours) = (SELECT count(*) FROM silent) FROM ours;

-- live_outages
SELECT alert_id, zone_id, first_evidence_at, explained_by IS NOT NULL, ladder.alert_id IS NOT NULL
FROM alert LEFT JOIN ladder USING (alert_id)
WHERE fault = 'comms_outage' AND state <> 'resolved' AND zone_id = ANY(%(zones)s);

-- explain
UPDATE alert SET explained_by = %(cause)s WHERE alert_id = ANY(%(alerts)s) AND explained_by IS NULL RETURNING alert_id;

-- left_by_causes
-- Live alerts of these zones whose cause is over, wherever that was.
SELECT a.alert_id, a.zone_id, a.fault, a.first_evidence_at, a.last_evidence_at, a.evidence->'channels',
       c.alert_id, c.fault, c.cleared_at
FROM alert a JOIN alert c ON c.alert_id = a.explained_by
WHERE a.zone_id = ANY(%(zones)s) AND a.state <> 'resolved' AND c.state = 'resolved' AND c.cleared_at IS NOT NULL
ORDER BY a.alert_id;

-- causes_told
-- What may explain others of its zone: it is there, and nothing explains it.
SELECT alert_id, fault, asset_id, first_evidence_at, evidence->'channels' FROM alert
WHERE zone_id = %(zone)s AND state <> 'resolved' AND explained_by IS NULL ORDER BY alert_id;

-- outlived
UPDATE alert SET explained_by = %(cause)s WHERE alert_id = %(alert)s;

-- live_kinds
SELECT zone_id, fault, asset_id FROM alert WHERE zone_id = ANY(%(zones)s) AND state <> 'resolved';

-- sites
SELECT z.zone_id, z.latitude, z.longitude, z.people,
       coalesce((SELECT jsonb_object_agg(a.asset_id, a.rating) FROM asset a
                 WHERE a.zone_id = z.zone_id AND a.is_active), '{}')
FROM zone z WHERE z.zone_id = ANY(%(zones)s);

-- with_cell
SELECT zone_id, z.latitude, z.longitude FROM channel c JOIN zone z USING (zone_id)
WHERE c.is_active AND c.asset_id = %(asset)s AND c.name = %(name)s;

-- level_before
-- The last good reading of a channel within [from, until) that is not lower than `low`.
SELECT value FROM reading
WHERE channel_id = %(channel)s AND measured_at >= %(from)s AND measured_at < %(until)s AND flag <> 4 AND value >= %(low)s
ORDER BY measured_at DESC LIMIT 1;

-- value_before
-- The last good reading of each of these channels within [from, until).
SELECT l.channel_id, date_part('epoch', r.measured_at), r.value FROM latest l CROSS JOIN LATERAL (
    SELECT measured_at, value FROM reading
    WHERE channel_id = l.channel_id AND measured_at >= %(from)s AND measured_at < %(until)s AND flag <> 4
    ORDER BY measured_at DESC LIMIT 1) r
WHERE l.channel_id = ANY(%(channels)s);

-- wrong_packs
-- Packs whose fresh readings were dated anew, by so much at least, or set aside for their time; whether the clock had not
-- been set at all; and the channels that were dated anew. Of each zone since then, and where an alert about its clock has
-- stood for longer since its last evidence. What is set aside within a minute counts as one pack: a sender may do nothing
-- else all day. Zones and the earliest time stand beside the join as well, for the planner: most rows may be of such a one.
WITH asked AS MATERIALIZED (
    SELECT zone_id, least(%(since)s, min(last_evidence_at)) AS since
    FROM unnest(%(zones)s::text[]) AS zone_id LEFT JOIN (
        SELECT zone_id, last_evidence_at FROM alert WHERE fault = 'clock_error' AND state <> 'resolved'
    ) AS standing USING (zone_id)
    GROUP BY zone_id
), dated_anew AS MATERIALIZED (
    SELECT zone_id, channel_id, asset_id || '/' || name AS channel, since FROM asked a JOIN channel USING (zone_id)
    WHERE EXISTS (SELECT FROM gateway_boot b
                  WHERE b.zone_id = a.zone_id AND b.has_estimates AND b.last_received_at >= a.since)
), aside AS MATERIALIZED (
    SELECT zone_id, max(received_at) AS received_at, bool_and(reason = 'time_before_service') AS is_unset
    FROM asked a JOIN set_aside s USING (zone_id)
    WHERE s.zone_id = ANY(%(zones)s) AND received_at >= (SELECT min(since) FROM asked) AND received_at >= since
      AND reason IN ('time_in_future', 'time_before_service')
    GROUP BY zone_id, date_trunc('minute', received_at)
)
SELECT zone_id, date_part('epoch', received_at),
       (max(ARRAY[abs(offset_s), offset_s]) FILTER (WHERE offset_s IS NOT NULL))[2], bool_and(is_unset),
       array_agg(DISTINCT channel) FILTER (WHERE channel IS NOT NULL) FROM (
    SELECT d.zone_id, r.received_at, date_part('epoch', n.device_at - n.measured_at) AS offset_s,
           n.device_at < '2020-01-01Z' AS is_unset, d.channel
    FROM dated_anew d
         JOIN reading_note n ON n.channel_id = d.channel_id AND n.measured_at >= d.since - interval '1 hour'
         JOIN reading r ON r.channel_id = n.channel_id AND r.measured_at = n.measured_at
    WHERE n.test = 'clock' AND abs(date_part('epoch', n.device_at - n.measured_at)) > %(least_s)s
      AND r.received_at >= d.since AND r.received_at - r.measured_at <= interval '1 hour'
    UNION ALL
    SELECT zone_id, received_at, NULL, is_unset, NULL FROM aside
) AS wrong GROUP BY zone_id, received_at ORDER BY zone_id, received_at;

-- live_alerts
-- What stands on a ladder may have been told.
SELECT alert_id, fault, asset_id, state, first_evidence_at, last_evidence_at, ladder.alert_id IS NOT NULL
FROM alert LEFT JOIN ladder USING (alert_id) WHERE zone_id = %(zone)s AND state <> 'resolved' ORDER BY alert_id;

-- ended_alerts
-- Resolved alerts of a zone that reach into the time from `since` on.
SELECT alert_id, fault, asset_id, first_evidence_at, cleared_at FROM alert
WHERE zone_id = %(zone)s AND state = 'resolved' AND cleared_at >= %(since)s;

-- known_alerts
-- What may explain others of its zone, live or resolved since, what each rests on, and whether a sensor explains it.
SELECT a.alert_id, a.fault, a.asset_id, a.first_evidence_at, a.cleared_at, a.evidence->'channels',
       coalesce(c.fault = ANY(%(sensor_faults)s), false)
FROM alert a LEFT JOIN alert c ON c.alert_id = a.explained_by
WHERE a.zone_id = %(zone)s AND (a.state <> 'resolved' OR a.cleared_at >= %(since)s) ORDER BY a.alert_id;

-- insert_alert
INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at, opened_at,
                   cleared_at, resolved_at, is_late, confidence, evidence, explained_by, times)
VALUES (%(zone)s, %(fault)s, %(asset)s, %(severity)s, %(state)s, %(first)s, %(last)s, %(opened)s,
        %(cleared)s, %(resolved)s, %(is_late)s, %(confidence)s, %(evidence)s::jsonb, %(explained_by)s,
        %(times)s)
ON CONFLICT (zone_id, fault, asset_id, first_evidence_at) DO NOTHING
RETURNING alert_id;

-- continue_alert
UPDATE alert SET last_evidence_at = greatest(last_evidence_at, %(last)s), times = times + %(times)s
WHERE alert_id = %(alert)s;

-- return_alert
-- It stays acknowledged when somebody has acknowledged it; whoever named a cause must look again. What was found late and
-- is there now is late no more.
UPDATE alert SET last_evidence_at = %(last)s, cleared_at = %(cleared)s, resolved_at = %(cleared)s,
    is_late = is_late AND %(cleared)s::timestamptz IS NOT NULL,
    times = times + %(times)s, cause = NULL, closed_at = NULL, closed_by = NULL, ended_by_hand = false,
    state = CASE WHEN %(cleared)s::timestamptz IS NOT NULL THEN 'resolved'
                 WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open' END
WHERE alert_id = %(alert)s AND state = 'resolved' RETURNING alert_id;

-- resolve_alert
UPDATE alert SET state = 'resolved', cleared_at = %(cleared)s, resolved_at = %(now)s, is_late = %(is_late)s,
    times = times + %(times)s
WHERE alert_id = %(alert)s AND state <> 'resolved' RETURNING alert_id;

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);

-- untold
-- Live alerts of a zone that stand on no ladder yet, but for its silence. What old readings have opened a moment ago waits.
SELECT alert_id, fault FROM alert LEFT JOIN ladder USING (alert_id)
WHERE zone_id = %(zone)s AND state <> 'resolved' AND explained_by IS NULL AND ladder.alert_id IS NULL
  AND fault <> 'comms_outage' AND (last_evidence_at >= %(heard_since)s OR opened_at <= %(patient_until)s)
ORDER BY severity DESC, alert_id;

-- look_again
UPDATE ladder SET due_at = %(now)s WHERE alert_id = %(alert)s;

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;
