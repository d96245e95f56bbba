-- hours
-- The hours of some channels of a zone as columns: mean, what a counter moved on, lowest, highest, how many readings; of
-- retired ones too, if asked for.
-- OFFSET 0 makes the server go channel by channel; else it adds up the open hours of all zones first.
SELECT c.asset_id || '/' || c.name, array_agg(h.hour), array_agg(h.sum / h.n), array_agg(coalesce(h.steps, 0)),
       array_agg(h.min), array_agg(h.max), array_agg(h.n::float8)
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT * FROM reading_hourly r
    WHERE r.channel_id = l.channel_id AND r.hour >= %(start)s AND r.hour < %(end)s AND r.n > 0 OFFSET 0
) h
WHERE c.zone_id = %(zone)s AND c.asset_id || '/' || c.name = ANY(%(channels)s)
  AND (c.is_active OR (%(with_retired)s AND c.retired_at IS NOT NULL))
GROUP BY c.channel_id;

-- tap_hours
-- What all taps of a zone counted together in each hour.
SELECT h.hour, sum(h.steps) FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT r.hour, r.steps FROM reading_hourly r
    WHERE r.channel_id = l.channel_id AND r.hour >= %(start)s AND r.hour < %(end)s AND r.n > 0 OFFSET 0
) h
WHERE c.zone_id = %(zone)s AND c.asset_id LIKE 'tap-%%' AND c.name = 'volume_m3'
GROUP BY h.hour;

-- months_heard
-- In how many days of each month a channel was heard, oldest first.
SELECT date_trunc('month', d.day, 'UTC')::date, count(*) FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT r.day FROM reading_daily r WHERE r.channel_id = l.channel_id AND r.n > 0 OFFSET 0
) d
WHERE c.is_active AND c.zone_id = %(zone)s AND c.asset_id || '/' || c.name = %(channel)s
GROUP BY 1 ORDER BY 1;
