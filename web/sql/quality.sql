-- zones
-- Some zones over [start, end): readings that failed a test, those that were dated anew, conflicts, late ones by the day
-- of receipt, and the gateway's clock when it last told it.
SELECT z.zone_id, coalesce(heard.failed, 0), coalesce(heard.redated, 0), coalesce(heard.conflicts, 0), account.late,
       account.stored, account.clock_offset_s
FROM zone z LEFT JOIN (
    SELECT c.zone_id, sum(noted.failed)::int8 AS failed, sum(noted.redated)::int8 AS redated,
           sum(conflicts.n)::int8 AS conflicts
    FROM channel c JOIN latest l USING (channel_id)
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT n.measured_at) FILTER (WHERE n.test <> 'clock') AS failed,
               count(*) FILTER (WHERE n.test = 'clock') AS redated
        FROM reading_note n
        WHERE n.channel_id = l.channel_id AND n.measured_at >= %(start)s AND n.measured_at < %(end)s
    ) noted
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM reading_conflict x
        WHERE x.channel_id = l.channel_id AND x.measured_at >= %(start)s AND x.measured_at < %(end)s
    ) conflicts
    WHERE c.zone_id = ANY(%(zones)s) AND (c.is_active OR c.retired_at > %(start)s) GROUP BY c.zone_id
) heard USING (zone_id)
CROSS JOIN LATERAL (
    SELECT coalesce(sum(g.late), 0)::int8 AS late, coalesce(sum(g.stored), 0)::int8 AS stored,
           (array_agg(g.clock_offset_s ORDER BY g.day DESC) FILTER (WHERE g.clock_offset_s IS NOT NULL))[1]
               AS clock_offset_s
    FROM gateway_day g WHERE g.zone_id = z.zone_id AND g.day >= %(start)s::date AND g.day < %(end)s::date
) account
WHERE z.zone_id = ANY(%(zones)s);

-- channels
-- Each channel of a zone over [start, end): readings that came, late ones, conflicts, and the newest reading that failed no
-- test, whenever that was.
-- OFFSET 0 makes the server go channel by channel; else it adds up the open days of all zones first.
SELECT c.channel_id, c.asset_id, c.name, c.unit, coalesce(heard.came, 0), coalesce(heard.late, 0),
       coalesce(heard.conflicts, 0), heard.value, heard.measured_at
FROM channel c LEFT JOIN (
    SELECT l.channel_id, came.n AS came, late.n AS late, conflicts.n AS conflicts, good.value, good.measured_at
    FROM channel c JOIN latest l USING (channel_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(r.n + r.bad), 0)::int8 AS n FROM reading_daily r
        WHERE r.channel_id = l.channel_id AND r.day >= %(start)s AND r.day < %(end)s OFFSET 0
    ) came
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM reading r
        WHERE r.channel_id = l.channel_id AND r.measured_at >= %(start)s AND r.measured_at < %(end)s
          AND r.received_at - r.measured_at > %(late_after)s
    ) late
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM reading_conflict x
        WHERE x.channel_id = l.channel_id AND x.measured_at >= %(start)s AND x.measured_at < %(end)s
    ) conflicts
    LEFT JOIN LATERAL (
        SELECT r.value, r.measured_at FROM reading r
        WHERE r.channel_id = l.channel_id AND r.flag < 3 ORDER BY r.measured_at DESC LIMIT 1
    ) good ON true
    WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at > %(start)s)
) heard USING (channel_id)
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at > %(start)s)
ORDER BY c.asset_id, c.name;

-- notes
-- How many readings of each channel failed which test.
SELECT n.channel_id, n.test, count(*) FROM channel c JOIN reading_note n USING (channel_id)
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at > %(start)s) AND n.measured_at >= %(start)s AND n.measured_at < %(end)s
GROUP BY n.channel_id, n.test ORDER BY count(*) DESC, n.test;

-- rows_failed
-- Readings of a channel that failed a test, oldest first, with all tests that they failed and their device's own time.
SELECT r.measured_at, r.received_at, r.value, r.flag, array_agg(n.test ORDER BY n.test), max(n.device_at), NULL::float8[]
FROM reading_note n JOIN reading r USING (channel_id, measured_at)
WHERE n.channel_id = %(channel)s AND n.measured_at >= %(start)s AND n.measured_at < %(end)s
  AND (%(after)s::timestamptz IS NULL OR n.measured_at > %(after)s)
GROUP BY r.measured_at, r.received_at, r.value, r.flag
HAVING bool_or(n.test = %(test)s)
ORDER BY r.measured_at LIMIT %(limit)s;

-- rows_late
SELECT r.measured_at, r.received_at, r.value, r.flag, '{}'::text[], NULL::timestamptz, NULL::float8[] FROM reading r
WHERE r.channel_id = %(channel)s AND r.measured_at >= %(start)s AND r.measured_at < %(end)s
  AND (%(after)s::timestamptz IS NULL OR r.measured_at > %(after)s)
  AND r.received_at - r.measured_at > %(late_after)s
ORDER BY r.measured_at LIMIT %(limit)s;

-- rows_conflict
-- Readings of a channel for whose time another value came, with all such values.
SELECT r.measured_at, r.received_at, r.value, r.flag, '{}'::text[], NULL::timestamptz, array_agg(x.value ORDER BY x.received_at)
FROM reading_conflict x JOIN reading r USING (channel_id, measured_at)
WHERE x.channel_id = %(channel)s AND x.measured_at >= %(start)s AND x.measured_at < %(end)s
  AND (%(after)s::timestamptz IS NULL OR x.measured_at > %(after)s)
GROUP BY r.measured_at, r.received_at, r.value, r.flag
ORDER BY r.measured_at LIMIT %(limit)s;
