-- zones
SELECT z.zone_id, z.name, z.commune, z.latitude, z.longitude, z.altitude_m, z.is_fictional, z.people, z.counted_in,
       z.gnf_per_20_l, coalesce((SELECT min(g.gateway_id) FROM gateway g WHERE g.zone_id = z.zone_id), '')
FROM zone z ORDER BY z.zone_id;

-- assets
SELECT zone_id, asset_id, kind, interval_s, rating FROM asset WHERE zone_id = %(zone)s ORDER BY asset_id;

-- channels
SELECT c.channel_id, c.zone_id, c.asset_id, c.name, c.unit, c.is_counter, a.interval_s
FROM channel c JOIN asset a USING (zone_id, asset_id)
WHERE c.is_active AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
ORDER BY c.zone_id, c.asset_id, c.name;

-- latest
SELECT c.channel_id, c.zone_id, c.asset_id, c.name, c.unit, c.is_counter, a.interval_s,
       l.measured_at, l.received_at, l.value, l.flag
FROM latest l JOIN channel c USING (channel_id) JOIN asset a USING (zone_id, asset_id)
WHERE c.is_active AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
ORDER BY c.zone_id, c.asset_id, c.name;

-- raw_series
SELECT array_agg(extract(epoch FROM measured_at)::float8 ORDER BY measured_at),
       array_agg(value ORDER BY measured_at), array_agg(flag ORDER BY measured_at)
FROM reading WHERE channel_id = %(channel)s AND measured_at >= %(start)s AND measured_at < %(end)s;

-- binned_series
-- Mean, extremes and count of each interval; a counter gives its last reading. The worst flag stands for all.
SELECT extract(epoch FROM date_bin(%(bin)s, r.measured_at, '1970-01-01Z'))::float8 AS t_s,
       CASE WHEN c.is_counter THEN (array_agg(r.value ORDER BY r.measured_at DESC))[1] ELSE avg(r.value) END,
       min(r.value), max(r.value), count(*)::float8, max(r.flag)::float8
FROM reading r JOIN channel c USING (channel_id)
WHERE r.channel_id = %(channel)s AND r.measured_at >= %(start)s AND r.measured_at < %(end)s
GROUP BY t_s, c.is_counter ORDER BY t_s;

-- window
-- Channels of a zone with their readings as arrays; one row a channel, also for those without readings.
SELECT c.asset_id, c.name, r.t_s, r.value, r.flag
FROM channel c LEFT JOIN LATERAL (
    SELECT array_agg(extract(epoch FROM measured_at)::float8 ORDER BY measured_at) AS t_s,
           array_agg(value ORDER BY measured_at) AS value, array_agg(flag ORDER BY measured_at) AS flag
    FROM reading WHERE reading.channel_id = c.channel_id
      AND measured_at >= %(start)s AND measured_at < %(end)s
) r ON true
WHERE c.is_active AND c.zone_id = %(zone)s
  AND (%(only)s::text[] IS NULL OR c.asset_id || '/' || c.name = ANY(%(only)s::text[]));

-- daily_steps
-- What a counter moved on in each UTC day; the step over midnight counts for the day in which it ends, and the
-- reading before the first day is looked up so that its first step is whole. A step back (reset) counts as nothing.
WITH chosen AS (
    SELECT channel_id FROM channel WHERE zone_id = %(zone)s AND asset_id = %(asset)s AND name = %(channel)s
), span AS (
    (SELECT measured_at, value FROM reading WHERE channel_id = (SELECT channel_id FROM chosen)
       AND measured_at < %(start)s ORDER BY measured_at DESC LIMIT 1)
    UNION ALL
    SELECT measured_at, value FROM reading WHERE channel_id = (SELECT channel_id FROM chosen)
       AND measured_at >= %(start)s AND measured_at < %(end)s
), steps AS (
    SELECT measured_at, value - lag(value) OVER (ORDER BY measured_at) AS step FROM span
)
SELECT date_trunc('day', measured_at) AS day, coalesce(sum(step) FILTER (WHERE step > 0), 0)
FROM steps WHERE measured_at >= %(start)s GROUP BY day ORDER BY day;
