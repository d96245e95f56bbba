-- zones
-- Each zone with the newest measured time of all its channels and what the tower last said.
SELECT z.zone_id, z.name, z.commune, z.latitude, z.longitude, z.altitude_m, z.is_fictional, z.people, z.counted_in,
       z.gnf_per_20_l, coalesce((SELECT min(g.gateway_id) FROM gateway g WHERE g.zone_id = z.zone_id), ''),
       seen.at, level.value, level.measured_at,
       (tower.rating ->> 'full_level_m')::float8, (tower.rating ->> 'volume_m3')::float8
FROM zone z
LEFT JOIN LATERAL (
    SELECT max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id)
    WHERE c.zone_id = z.zone_id AND c.is_active
) seen ON true
LEFT JOIN asset tower ON tower.zone_id = z.zone_id AND tower.asset_id = 'tower'
LEFT JOIN channel lc ON lc.zone_id = z.zone_id AND lc.asset_id = 'tower' AND lc.name = 'level_m' AND lc.is_active
LEFT JOIN latest level ON level.channel_id = lc.channel_id
WHERE %(zone)s::text IS NULL OR z.zone_id = %(zone)s
ORDER BY z.zone_id;

-- counters_at
-- The last reading of counters before each of these instants; one index look-up each, not a scan of the days between.
SELECT c.zone_id, c.asset_id, instant.at, before.value, before.measured_at
FROM channel c
CROSS JOIN unnest(%(instants)s::timestamptz[]) AS instant (at)
CROSS JOIN LATERAL (
    SELECT r.value, r.measured_at FROM reading r
    WHERE r.channel_id = c.channel_id AND r.measured_at < instant.at
    ORDER BY r.measured_at DESC LIMIT 1
) before
WHERE c.is_active AND c.name = 'volume_m3' AND c.asset_id LIKE %(asset)s
  AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
ORDER BY c.zone_id, c.asset_id, instant.at;

-- daily_energy
-- What each pump drew on a day [kWh], on how much of it that rests, and what it lifted [m³]. A zone whose day is not over
-- in its own readings has no row yet.
SELECT c.zone_id, power.sum * a.interval_s / 3.6e6, power.n * a.interval_s / 86400, lifted.steps
FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN reading_day power USING (channel_id)
JOIN channel counter ON counter.zone_id = c.zone_id AND counter.asset_id = 'pump' AND counter.name = 'volume_m3'
    AND counter.is_active
JOIN reading_day lifted ON lifted.channel_id = counter.channel_id AND lifted.day = power.day
WHERE c.is_active AND c.asset_id = 'pump' AND c.name = 'power_w' AND power.day = %(day)s
  AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s);

-- daily_sun
-- Mean irradiance of each UTC day and how many readings it rests on.
SELECT c.zone_id, date_trunc('day', r.measured_at, 'UTC') AS day, avg(r.value), count(*), min(a.interval_s)
FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN reading r USING (channel_id)
WHERE c.is_active AND c.asset_id = 'pv' AND c.name = 'irradiance_w_m2'
  AND r.measured_at >= %(start)s AND r.measured_at < %(end)s
  AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
GROUP BY c.zone_id, day;

-- daily_room
-- What each tower's level was when a day began, and what its outlet's counter moved on in it.
SELECT c.zone_id, d.day, max(d.first) FILTER (WHERE c.name = 'level_m'),
       max(d.steps) FILTER (WHERE c.name = 'outflow_volume_m3' AND d.n > 0),
       (a.rating ->> 'full_level_m')::float8, (a.rating ->> 'volume_m3')::float8
FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN reading_day d USING (channel_id)
WHERE c.is_active AND c.asset_id = 'tower' AND c.name IN ('level_m', 'outflow_volume_m3')
  AND d.day >= %(start)s AND d.day < %(end)s AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
GROUP BY c.zone_id, d.day, a.rating;
