-- began
-- To the hour, when some zones were first heard by their sensors, or by some of them; one that never was is not named.
SELECT c.zone_id, min(coalesce(first.hour, date_trunc('hour', l.measured_at, 'UTC')))
FROM channel c JOIN latest l USING (channel_id) LEFT JOIN LATERAL (
    SELECT r.hour FROM reading_hour r WHERE r.channel_id = l.channel_id ORDER BY r.hour LIMIT 1) first ON true
WHERE c.by_hand_of IS NULL AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s))
  AND (%(channels)s::text[] IS NULL OR c.asset_id || '/' || c.name = ANY(%(channels)s))
GROUP BY c.zone_id;

-- heard
-- Channels that were there in [start, end) with how many readings came in each day, in each hour at most as many as were
-- due in it: what a gateway sends more while a value moves fills no hole. Of a channel that never spoke a row of nulls.
-- OFFSET 0 makes the server go channel by channel.
SELECT c.channel_id, c.zone_id, c.asset_id, c.name, a.interval_s, c.added_at, CASE WHEN NOT c.is_active THEN c.retired_at END,
       h.days, h.came
FROM channel c JOIN asset a USING (zone_id, asset_id) LEFT JOIN latest l USING (channel_id) LEFT JOIN LATERAL (
    SELECT array_agg(d.day) AS days, array_agg(d.came) AS came FROM (
        SELECT date_trunc('day', r.hour, 'UTC') AS day,
               sum(least(r.n + CASE WHEN %(with_bad)s THEN r.bad ELSE 0 END, ceil(3600 / a.interval_s)))::float8 AS came
        FROM reading_hourly r WHERE r.channel_id = l.channel_id AND r.hour >= %(start)s AND r.hour < %(end)s
        GROUP BY 1
    ) d OFFSET 0
) h ON true
WHERE (c.is_active OR c.retired_at > %(start)s) AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s))
  AND (%(channels)s::text[] IS NULL OR c.asset_id || '/' || c.name = ANY(%(channels)s));
