-- readings
-- Some of a channel's readings as columns, at most so many, in the order of measured time.
SELECT array_agg(measured_at ORDER BY measured_at), array_agg(received_at ORDER BY measured_at),
       array_agg(value ORDER BY measured_at), array_agg(flag ORDER BY measured_at)
FROM (
    SELECT measured_at, received_at, value, flag FROM reading
    WHERE channel_id = %(channel)s AND measured_at >= %(start)s AND measured_at < %(end)s
    ORDER BY measured_at LIMIT %(limit)s
) piece;

-- hours
-- Hours of a channel, also one in which all readings were bad; a mean of none is null.
SELECT h.hour, CASE WHEN h.n > 0 THEN h.sum / h.n END, h.min, h.max, h.first, h.last, h.steps, h.n, h.bad
FROM reading_hourly h
WHERE h.channel_id = %(channel)s AND h.hour >= date_trunc('hour', %(start)s::timestamptz, 'UTC') AND h.hour < %(end)s
ORDER BY h.hour;

-- days
SELECT d.day, CASE WHEN d.n > 0 THEN d.sum / d.n END, d.min, d.max, d.first, d.last, d.steps, d.n, d.bad
FROM reading_daily d
WHERE d.channel_id = %(channel)s AND d.day >= date_trunc('day', %(start)s::timestamptz, 'UTC') AND d.day < %(end)s
ORDER BY d.day;

-- taps
-- Each tap with what its counter moved on in the 24 h before now and when it was heard last. A tap without a counter is
-- listed and nothing is said of its water; nor is it of what moved a counter that had not been read for more than a day:
-- then the first reading only tells where it stands.
SELECT a.zone_id, a.asset_id, z.name, z.commune, z.latitude, z.longitude, z.people, z.is_fictional, counted.measured_at,
       counted.steps, counted.n
FROM asset a JOIN zone z USING (zone_id) LEFT JOIN (
    SELECT c.zone_id, c.asset_id, l.measured_at, h.steps, h.n
    FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
        SELECT sum(CASE WHEN r.follows THEN r.steps ELSE greatest(0, r.last - r.first) END) AS steps,
               sum(CASE WHEN r.follows THEN r.n ELSE r.n - 1 END) AS n
        FROM (
            SELECT r.hour, r.n, r.steps, r.first, r.last,
                   coalesce(lag(r.hour) OVER (ORDER BY r.hour) >= r.hour - interval '24 hours', false) AS follows
            FROM reading_hourly r
            WHERE r.channel_id = l.channel_id AND r.n > 0
              AND r.hour >= %(now)s::timestamptz - interval '48 hours' AND r.hour <= %(now)s
        ) r WHERE r.hour >= %(now)s::timestamptz - interval '24 hours'
    ) h
    WHERE c.name = 'volume_m3' AND c.is_active
) counted USING (zone_id, asset_id)
WHERE a.kind = 'tap' AND a.is_active ORDER BY a.zone_id, a.asset_id;

-- assets
SELECT a.zone_id, a.asset_id, a.kind, a.interval_s, a.rating, z.name, z.latitude, z.longitude, z.is_fictional, heard.at
FROM asset a JOIN zone z USING (zone_id) LEFT JOIN (
    SELECT c.zone_id, c.asset_id, max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id)
    WHERE c.is_active GROUP BY c.zone_id, c.asset_id
) heard USING (zone_id, asset_id)
WHERE a.is_active AND %(taps)s = (a.kind = 'tap')
ORDER BY a.zone_id, a.asset_id;
