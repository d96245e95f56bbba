-- zones
SELECT z.zone_id, z.name, z.commune, z.latitude, z.longitude, z.altitude_m, z.is_fictional, z.people, z.counted_in,
       z.gnf_per_20_l, coalesce((SELECT min(g.gateway_id) FROM gateway g WHERE g.zone_id = z.zone_id AND g.is_active), '')
FROM zone z ORDER BY z.zone_id;

-- assets
SELECT zone_id, asset_id, kind, interval_s, rating FROM asset WHERE zone_id = %(zone)s AND is_active
ORDER BY asset_id;

-- channels
SELECT c.channel_id, c.zone_id, c.asset_id, c.name, c.unit, c.is_counter, a.interval_s, c.wraps_at, c.most_per_h,
       c.added_at, CASE WHEN NOT c.is_active THEN c.retired_at END
FROM channel c JOIN asset a USING (zone_id, asset_id)
WHERE (c.is_active OR (%(with_retired)s AND c.retired_at IS NOT NULL)) AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s))
ORDER BY c.zone_id, c.asset_id, c.name;

-- latest
-- In whatever order: sorting by three words takes longer than finding the rows.
SELECT c.channel_id, c.zone_id, c.asset_id, c.name, c.unit, c.is_counter, a.interval_s,
       l.measured_at, l.received_at, l.value, l.flag
FROM latest l JOIN channel c USING (channel_id) JOIN asset a USING (zone_id, asset_id)
WHERE c.is_active AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s);

-- raw_series
-- A channel's readings as columns, 4,096 a row: a connection keeps room for the largest row that it ever brought. At most
-- so many, the first ones, if a limit is given.
SELECT array_agg(measured_at ORDER BY measured_at), array_agg(value ORDER BY measured_at),
       array_agg(flag ORDER BY measured_at)
FROM (
    SELECT measured_at, value, flag, (row_number() OVER (ORDER BY measured_at) - 1) / 4096 AS part
    FROM reading WHERE channel_id = %(channel)s AND measured_at >= %(start)s AND measured_at < %(end)s
    ORDER BY measured_at LIMIT %(limit)s
) AS r
GROUP BY part ORDER BY part;

-- binned_readings
-- Mean, extremes and count of each interval's good readings; a counter gives its last one. The worst flag stands for all.
SELECT date_part('epoch', date_bin(%(bin)s, r.measured_at, '1970-01-01Z')) AS t_s,
       CASE WHEN c.is_counter THEN (array_agg(r.value ORDER BY r.measured_at DESC) FILTER (WHERE r.flag <> 4))[1]
            ELSE avg(r.value) FILTER (WHERE r.flag <> 4) END,
       min(r.value) FILTER (WHERE r.flag <> 4), max(r.value) FILTER (WHERE r.flag <> 4),
       (count(*) FILTER (WHERE r.flag <> 4))::float8, max(r.flag)::float8
FROM reading r JOIN channel c USING (channel_id)
WHERE r.channel_id = %(channel)s AND r.measured_at >= date_bin(%(bin)s, %(start)s, '1970-01-01Z')
  AND r.measured_at < %(end)s
GROUP BY t_s, c.is_counter HAVING bool_or(r.flag <> 4) ORDER BY t_s;

-- hours
-- As `binned_hours`, for hours as they are: nothing is grouped, which takes a third of the time.
SELECT date_part('epoch', h.hour), CASE WHEN c.is_counter THEN h.last ELSE h.sum / h.n END,
       h.min, h.max, h.n::float8, CASE WHEN h.bad > 0 THEN 4 ELSE 1 END::float8
FROM reading_hourly h JOIN channel c USING (channel_id)
WHERE h.channel_id = %(channel)s AND h.hour >= date_bin(%(bin)s, %(start)s, '1970-01-01Z') AND h.hour < %(end)s
  AND h.n > 0
ORDER BY h.hour;

-- binned_hours
SELECT date_part('epoch', date_bin(%(bin)s, h.hour, '1970-01-01Z')) AS t_s,
       CASE WHEN c.is_counter THEN (array_agg(h.last ORDER BY h.hour DESC) FILTER (WHERE h.n > 0))[1]
            ELSE sum(h.sum ORDER BY h.hour) / sum(h.n) END,
       min(h.min), max(h.max), sum(h.n)::float8, CASE WHEN sum(h.bad) > 0 THEN 4 ELSE 1 END::float8
FROM reading_hourly h JOIN channel c USING (channel_id)
WHERE h.channel_id = %(channel)s AND h.hour >= date_bin(%(bin)s, %(start)s, '1970-01-01Z') AND h.hour < %(end)s
GROUP BY t_s, c.is_counter HAVING sum(h.n) > 0 ORDER BY t_s;

-- binned_days
SELECT date_part('epoch', date_bin(%(bin)s, d.day, '1970-01-01Z')) AS t_s,
       CASE WHEN c.is_counter THEN (array_agg(d.last ORDER BY d.day DESC) FILTER (WHERE d.n > 0))[1]
            ELSE sum(d.sum ORDER BY d.day) / sum(d.n) END,
       min(d.min), max(d.max), sum(d.n)::float8, CASE WHEN sum(d.bad) > 0 THEN 4 ELSE 1 END::float8
FROM reading_daily d JOIN channel c USING (channel_id)
WHERE d.channel_id = %(channel)s AND d.day >= date_bin(%(bin)s, %(start)s, '1970-01-01Z') AND d.day < %(end)s
GROUP BY t_s, c.is_counter HAVING sum(d.n) > 0 ORDER BY t_s;

-- window
-- Channels of a zone with their readings as columns, 4,096 a row; a row of nulls for a channel without readings.
WITH asked AS (
    SELECT channel_id, asset_id, name FROM channel WHERE is_active AND zone_id = %(zone)s
      AND (%(only)s::text[] IS NULL OR asset_id || '/' || name = ANY(%(only)s::text[]))
)
SELECT asset_id, name, r.measured_at, r.value, r.flag
FROM asked LEFT JOIN (
    SELECT l.channel_id, r.* FROM asked JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
        SELECT array_agg(measured_at ORDER BY measured_at) AS measured_at, array_agg(value ORDER BY measured_at) AS value,
               array_agg(flag ORDER BY measured_at) AS flag
        FROM (
            SELECT measured_at, value, flag, (row_number() OVER (ORDER BY measured_at) - 1) / 4096 AS part
            FROM reading WHERE reading.channel_id = l.channel_id
              AND measured_at >= %(start)s AND measured_at < %(end)s
        ) AS of_one
        GROUP BY part
    ) r
) r USING (channel_id)
ORDER BY channel_id, r.measured_at[1];

-- arrays
-- Good readings of some channels as columns: a row for each 20 minutes, in the order of time, on which who reads them
-- relies; within a row in whatever order.
SELECT array_agg(channel_id), array_agg(measured_at), array_agg(value) FROM reading
WHERE channel_id = ANY(%(channels)s) AND measured_at >= %(start)s AND measured_at < %(end)s AND flag <> 4
GROUP BY date_bin('20 minutes', measured_at, '1970-01-01Z') ORDER BY date_bin('20 minutes', measured_at, '1970-01-01Z');

-- flagged_bad
SELECT channel_id, date_part('epoch', measured_at) FROM reading
WHERE channel_id = ANY(%(channels)s) AND measured_at >= %(start)s AND measured_at < %(end)s AND flag = 4;
