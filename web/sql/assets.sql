-- nights
-- What `alerts` measured of each night, where the tower's outlet has a meter.
SELECT day, (features ->> 'night_flow_m3_h')::float8 FROM zone_day
WHERE zone_id = %(zone)s AND day >= %(first)s AND day <= %(last)s AND features ? 'night_flow_m3_h' ORDER BY day;

-- channel_days
-- How many readings of each channel came within some days, good and bad. OFFSET 0 as in `hours`.
SELECT c.asset_id, c.name, a.interval_s, coalesce(sum(d.n), 0)::int8
FROM channel c JOIN asset a USING (zone_id, asset_id) LEFT JOIN LATERAL (
    SELECT r.n + r.bad AS n FROM reading_daily r
    WHERE r.channel_id = c.channel_id AND r.day >= %(start)s AND r.day < %(end)s OFFSET 0
) d ON true
WHERE c.is_active AND c.zone_id = %(zone)s
GROUP BY c.asset_id, c.name, a.interval_s ORDER BY c.asset_id, c.name;

-- channel_notes
-- How many readings of each channel failed which test.
SELECT c.asset_id, c.name, n.test, count(*) FROM channel c JOIN reading_note n USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND n.measured_at >= %(start)s AND n.measured_at < %(end)s
GROUP BY c.asset_id, c.name, n.test ORDER BY count(*) DESC, n.test;

-- heard_days
-- How many readings of a zone came on each day, all channels together.
SELECT d.day, sum(d.n)::float8 FROM channel c CROSS JOIN LATERAL (
    SELECT r.day, r.n + r.bad AS n FROM reading_daily r
    WHERE r.channel_id = c.channel_id AND r.day >= %(start)s AND r.day < %(end)s OFFSET 0
) d
WHERE c.is_active AND c.zone_id = %(zone)s
GROUP BY d.day;
