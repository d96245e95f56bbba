-- zones
-- Each zone with the newest measured time of all its channels and what the tower last said that can be. Added up over all
-- zones at once: a look-up for each of their channels takes three times as long.
SELECT z.zone_id, z.name, z.commune, z.latitude, z.longitude, z.altitude_m, z.is_fictional, z.people, z.counted_in,
       z.gnf_per_20_l, coalesce(g.gateway_id, ''), seen.at, level.value, level.measured_at,
       (tower.rating ->> 'full_level_m')::float8, (tower.rating ->> 'volume_m3')::float8
FROM zone z
LEFT JOIN (SELECT zone_id, min(gateway_id) AS gateway_id FROM gateway WHERE is_active GROUP BY zone_id) g USING (zone_id)
LEFT JOIN (
    SELECT c.zone_id, max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id)
    WHERE c.is_active AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s) GROUP BY c.zone_id
) seen USING (zone_id)
LEFT JOIN asset tower ON tower.zone_id = z.zone_id AND tower.asset_id = 'tower' AND tower.is_active
LEFT JOIN (
    SELECT c.zone_id, CASE WHEN l.flag IN (4, 9) THEN good.value ELSE l.value END AS value,
           CASE WHEN l.flag IN (4, 9) THEN good.measured_at ELSE l.measured_at END AS measured_at
    FROM channel c JOIN latest l USING (channel_id) LEFT JOIN LATERAL (
        SELECT r.value, r.measured_at FROM reading r
        WHERE r.channel_id = l.channel_id AND l.flag IN (4, 9) AND r.flag NOT IN (4, 9) ORDER BY r.measured_at DESC LIMIT 1
    ) good ON true
    WHERE c.asset_id = 'tower' AND c.name = 'level_m' AND c.is_active
      AND (%(zone)s::text IS NULL OR c.zone_id = %(zone)s)
) level ON level.zone_id = z.zone_id
WHERE %(zone)s::text IS NULL OR z.zone_id = %(zone)s
ORDER BY z.zone_id;

-- lowest_today
-- The lowest level of each tower since %(since)s in the hours that are over.
SELECT c.zone_id, h.low FROM channel c JOIN latest l USING (channel_id)
CROSS JOIN LATERAL (
    SELECT min(r.min) AS low FROM reading_hour r
    WHERE r.channel_id = l.channel_id AND r.hour >= %(since)s AND r.hour <= %(now)s OFFSET 0
) h
WHERE c.is_active AND c.asset_id = 'tower' AND c.name = 'level_m' AND h.low IS NOT NULL;

-- past_days
-- One number of each day of some channels, as columns: what a counter moved on until the evening, if it was read then, the
-- sun [Wh/m²] of a day whose daylight is known, the level when the day began. Channel by channel
-- (OFFSET 0), and only a channel that has not gone beyond %(end)s needs its last day added up from hours. So does the sun of a
-- day of which a reading is missing: a mean of what is left would be too low after a gap at noon, too high after one at night.
SELECT v.name, array_agg(v.channel_id), array_agg(v.day), array_agg(coalesce(v.value, 'NaN'))
FROM (
    SELECT c.name, c.channel_id, d.day, CASE
        WHEN c.name IN ('volume_m3', 'outflow_volume_m3') THEN CASE WHEN coalesce(d.last_hour, (
            SELECT max(h.hour) FROM reading_hour h WHERE h.channel_id = l.channel_id AND h.n > 0
              AND h.hour >= d.day AND h.hour < d.day + interval '1 day'
        )) >= d.day + interval '1 day' - %(evening)s THEN d.steps END
        WHEN c.name = 'irradiance_w_m2' THEN CASE WHEN d.n * a.interval_s = 86400 THEN d.sum / d.n * 24 ELSE (
            SELECT sum(h.sum / h.n ORDER BY h.hour) FROM reading_hour h
            WHERE h.channel_id = l.channel_id AND h.n * a.interval_s >= %(known_s)s
              AND h.hour >= d.day + floor(%(dawn_h)s - z.longitude / 15) * interval '1 hour'
              AND h.hour < d.day + floor(%(dusk_h)s - z.longitude / 15) * interval '1 hour'
            HAVING count(*) = %(dusk_h)s - %(dawn_h)s
        ) END
        WHEN c.name = 'level_m' THEN d.first END AS value
    FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN zone z USING (zone_id) JOIN latest l USING (channel_id)
    CROSS JOIN LATERAL (
        SELECT r.day, r.n, r.sum, r.first, r.steps, r.last_hour FROM reading_day r
        WHERE r.channel_id = l.channel_id AND r.n > 0 AND r.day >= %(start)s
          AND r.day < least(%(end)s, date_trunc('day', l.measured_at, 'UTC'))
        UNION ALL
        SELECT date_trunc('day', min(h.hour), 'UTC'), sum(h.n), sum(h.sum ORDER BY h.hour), (array_agg(h.first ORDER BY h.hour))[1],
               sum(h.steps ORDER BY h.hour), max(h.hour)
        FROM reading_hourly h WHERE l.measured_at >= %(start)s AND l.measured_at < %(end)s
          AND h.channel_id = l.channel_id AND h.n > 0 AND h.hour >= date_trunc('day', l.measured_at, 'UTC')
        HAVING count(*) > 0
        OFFSET 0
    ) d
    WHERE c.is_active AND c.name = ANY(%(names)s) AND c.asset_id LIKE ANY(%(assets)s)
      AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s))
) v GROUP BY v.name;

-- channels_with
-- Whose the channels are, and what their asset's plate says of its size.
SELECT c.channel_id, c.zone_id, c.asset_id, (a.rating ->> 'full_level_m')::float8, (a.rating ->> 'volume_m3')::float8
FROM channel c JOIN asset a USING (zone_id, asset_id) WHERE c.channel_id = ANY(%(channels)s);

-- pumping_hours
-- Hours of what pumps drew and lifted, as columns: when, mean, what a counter moved on. A channel that has ever spoken has a
-- row; null when it did not in these hours.
SELECT c.zone_id, c.asset_id || '/' || c.name, h.hours, h.means, h.steps
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT array_agg(r.hour) AS hours, array_agg(r.sum / r.n) AS means, array_agg(coalesce(r.steps, 0)) AS steps
    FROM reading_hourly r
    WHERE r.channel_id = l.channel_id AND r.hour >= %(start)s AND r.hour < %(end)s AND r.n > 0 OFFSET 0
) h
WHERE c.is_active AND c.zone_id = ANY(%(zones)s) AND c.asset_id || '/' || c.name = ANY(%(channels)s);
