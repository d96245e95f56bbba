-- days
-- Lines of the account, newest day first; `missing` is what was missing at the end of that day, counted from the first.
SELECT d.zone_id, d.gateway_id, d.day, d.sent, d.arrived, d.declared, d.received, d.replayed, d.stored, d.duplicate, d.conflict,
       d.set_aside, d.late, d.clock_offset_s,
       (SELECT sum(p.sent - p.arrived - p.declared)::int8 FROM gateway_day p
        WHERE p.zone_id = d.zone_id AND p.gateway_id = d.gateway_id AND p.day <= d.day) AS missing
FROM (
    SELECT * FROM gateway_day
    WHERE (%(zone)s::text IS NULL OR zone_id = %(zone)s) AND (%(gateway)s::text IS NULL OR gateway_id = %(gateway)s)
      AND (%(first)s::date IS NULL OR day >= %(first)s) AND (%(last)s::date IS NULL OR day <= %(last)s)
      AND (%(after_day)s::date IS NULL OR day < %(after_day)s
           OR (day = %(after_day)s AND (zone_id, gateway_id) > (%(after_zone)s, %(after_gateway)s)))
    ORDER BY day DESC, zone_id, gateway_id LIMIT %(limit)s
) d ORDER BY d.day DESC, d.zone_id, d.gateway_id;

-- gateways
-- Each gateway's sums over some days, also of one that sent nothing; the clock of its last day that tells it.
WITH who AS (
    SELECT zone_id, gateway_id FROM gateway
    UNION SELECT DISTINCT zone_id, gateway_id FROM gateway_day WHERE day BETWEEN %(first)s AND %(last)s
), sums AS (
    SELECT zone_id, gateway_id, sum(sent)::int8 AS sent, sum(arrived)::int8 AS arrived,
           sum(declared)::int8 AS declared, sum(received)::int8 AS received,
           sum(replayed)::int8 AS replayed, sum(stored)::int8 AS stored, sum(duplicate)::int8 AS duplicate,
           sum(conflict)::int8 AS conflict, sum(set_aside)::int8 AS set_aside, sum(late)::int8 AS late,
           (array_agg(clock_offset_s ORDER BY day DESC) FILTER (WHERE clock_offset_s IS NOT NULL))[1] AS clock_offset_s
    FROM gateway_day WHERE day BETWEEN %(first)s AND %(last)s GROUP BY zone_id, gateway_id
), ever AS (
    SELECT zone_id, gateway_id, sum(sent - arrived - declared)::int8 AS missing
    FROM gateway_day WHERE day <= %(last)s GROUP BY zone_id, gateway_id
)
SELECT w.zone_id, w.gateway_id, %(last)s::date, coalesce(s.sent, 0), coalesce(s.arrived, 0), coalesce(s.declared, 0), coalesce(s.received, 0),
       coalesce(s.replayed, 0), coalesce(s.stored, 0), coalesce(s.duplicate, 0), coalesce(s.conflict, 0),
       coalesce(s.set_aside, 0), coalesce(s.late, 0), s.clock_offset_s,
       coalesce(e.missing, 0)
FROM who w LEFT JOIN sums s USING (zone_id, gateway_id) LEFT JOIN ever e USING (zone_id, gateway_id)
ORDER BY w.gateway_id = '', w.zone_id, w.gateway_id;

-- last_received
-- When something of each gateway last came; of sensors that number nothing, the newest reading of their zone.
WITH numbered AS (
    SELECT g.zone_id, g.gateway_id, max(b.last_received_at) AS at
    FROM gateway g LEFT JOIN gateway_boot b USING (zone_id, gateway_id) GROUP BY g.zone_id, g.gateway_id
)
SELECT n.zone_id, n.gateway_id, coalesce(n.at, heard.at) FROM numbered n LEFT JOIN (
    SELECT c.zone_id, max(l.received_at) AS at FROM latest l JOIN channel c USING (channel_id)
    WHERE c.by_hand_of IS NULL AND c.zone_id IN (SELECT zone_id FROM numbered WHERE at IS NULL) GROUP BY c.zone_id
) heard USING (zone_id);

-- boots
-- Starts of gateways of which numbers are missing, the newest first, with the missing ranges.
WITH boots AS (
    SELECT zone_id, gateway_id, boot, first_received_at, last_received_at, upper(seq + declared) - 1 AS sent,
           int8multirange(int8range(1, upper(seq + declared))) - seq - declared AS absent,
           max(last_received_at) OVER (PARTITION BY zone_id, gateway_id) AS heard_at
    FROM gateway_boot
    WHERE (%(zone)s::text IS NULL OR zone_id = %(zone)s) AND (%(gateway)s::text IS NULL OR gateway_id = %(gateway)s)
)
SELECT zone_id, gateway_id, boot, first_received_at, last_received_at, sent,
       (SELECT sum(upper(r) - lower(r))::int8 FROM unnest(absent) AS r) AS missing,
       (SELECT array_agg(ARRAY[lower(r), upper(r) - 1] ORDER BY lower(r)) FROM (
            SELECT r FROM unnest(absent) AS r ORDER BY lower(r) LIMIT 20) AS few) AS ranges,
       heard_at - last_received_at > %(gap_after)s AS is_gap
FROM boots WHERE NOT isempty(absent) ORDER BY last_received_at DESC, boot;

-- gateway_is_known
SELECT EXISTS (SELECT 1 FROM gateway
               WHERE gateway_id = %(gateway)s AND (%(zone)s::text IS NULL OR zone_id = %(zone)s))
    OR EXISTS (SELECT 1 FROM gateway_day
               WHERE gateway_id = %(gateway)s AND (%(zone)s::text IS NULL OR zone_id = %(zone)s));

-- conflicts
-- Another value for a channel and time that is stored already, newest first, beside the one that stays.
SELECT x.zone_id, x.asset_id, x.name, x.unit, x.channel_id, x.measured_at, r.value, r.received_at, x.value, x.received_at
FROM (
    SELECT * FROM reading_conflict JOIN channel USING (channel_id)
    WHERE (%(zone)s::text IS NULL OR zone_id = %(zone)s)
      AND (%(before_at)s::timestamptz IS NULL
           OR (received_at, channel_id, measured_at, value)
            < (%(before_at)s, %(before_channel)s::int, %(before_measured)s::timestamptz, %(before_value)s::float8))
    ORDER BY received_at DESC, channel_id DESC, measured_at DESC, value DESC LIMIT %(limit)s
) x
JOIN reading r ON r.channel_id = x.channel_id AND r.measured_at = x.measured_at
ORDER BY x.received_at DESC, x.channel_id DESC, x.measured_at DESC, x.value DESC;
