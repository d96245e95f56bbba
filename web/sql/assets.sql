-- nights
-- What `alerts` measured of each night, where the tower's outlet has a meter.
SELECT day, (features ->> 'night_flow_m3_h')::float8 FROM zone_day
WHERE zone_id = %(zone)s AND day >= %(first)s AND day <= %(last)s AND features ? 'night_flow_m3_h' ORDER BY day;

-- due_a_day
-- How many readings of a zone are due on a day.
SELECT sum(86400 / a.interval_s)::float8 FROM channel c JOIN asset a USING (zone_id, asset_id)
WHERE c.is_active AND c.zone_id = %(zone)s;

-- heard_days
-- How many readings of a zone came on each day, all channels together.
SELECT d.day, sum(d.n)::float8 FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT r.day, r.n + r.bad AS n FROM reading_daily r
    WHERE r.channel_id = l.channel_id AND r.day >= %(start)s AND r.day < %(end)s OFFSET 0
) d
WHERE c.is_active AND c.zone_id = %(zone)s
GROUP BY d.day;
