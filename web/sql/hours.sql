-- hours
-- The hours of some channels of a zone as columns: mean, what a counter moved on, lowest, highest, how many readings.
SELECT c.asset_id || '/' || c.name, array_agg(h.hour), array_agg(h.sum / h.n), array_agg(coalesce(h.steps, 0)),
       array_agg(h.min), array_agg(h.max), array_agg(h.n::float8)
FROM channel c JOIN reading_hourly h USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND h.hour >= %(start)s AND h.hour < %(end)s AND h.n > 0
  AND c.asset_id || '/' || c.name = ANY(%(channels)s)
GROUP BY c.channel_id;

-- tap_hours
-- What all taps of a zone counted together in each hour.
SELECT h.hour, sum(h.steps) FROM channel c JOIN reading_hourly h USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND c.asset_id LIKE 'tap-%%' AND c.name = 'volume_m3'
  AND h.hour >= %(start)s AND h.hour < %(end)s AND h.n > 0
GROUP BY h.hour;

-- months_heard
-- In how many days of each month a channel was heard, oldest first.
SELECT date_trunc('month', d.day, 'UTC')::date, count(*) FROM channel c JOIN reading_daily d USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND c.asset_id || '/' || c.name = %(channel)s AND d.n > 0
GROUP BY 1 ORDER BY 1;
