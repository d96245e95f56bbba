-- nights
-- What `alerts` measured of each night, where the tower's outlet has a meter.
SELECT day, (features ->> 'night_flow_m3_h')::float8 FROM zone_day
WHERE zone_id = %(zone)s AND day >= %(first)s AND day <= %(last)s AND features ? 'night_flow_m3_h' ORDER BY day;

-- due_days
-- How many readings of a zone were due on each day, of the channels that it had from the day's beginning to its end.
SELECT d.day, sum(86400 / a.interval_s)::float8
FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz - interval '1 day', interval '1 day') d (day),
     channel c JOIN asset a USING (zone_id, asset_id)
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at >= d.day + interval '1 day')
  AND (c.added_at IS NULL OR c.added_at <= d.day)
GROUP BY d.day;

-- heard_days
-- How many readings of a zone came on each day, all channels together, also of those that it has no more.
SELECT d.day, sum(d.n)::float8 FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT r.day, r.n + r.bad AS n FROM reading_daily r
    WHERE r.channel_id = l.channel_id AND r.day >= %(start)s AND r.day < %(end)s OFFSET 0
) d
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at IS NOT NULL)
GROUP BY d.day;
