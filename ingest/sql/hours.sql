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

-- uneven
-- Hours in which more readings came than were due, or less than four fifths of them, of channels that are no counters, as columns: the mean over
-- time, in which a reading stands until the next, an interval of its asset at most, and how many intervals these make. A gateway that sends more while a value moves gives its
-- restless minutes no more weight than its quiet ones.
SELECT c.zone_id, c.asset_id || '/' || c.name, array_agg(e.hour), array_agg(e.mean), array_agg(e.n)
FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT h.hour, sum(i.value * i.stands_s) / sum(i.stands_s) AS mean, sum(i.stands_s) / a.interval_s AS n
    FROM reading_hourly h CROSS JOIN LATERAL (
        SELECT r.value, least(a.interval_s, date_part('epoch', lead(r.measured_at, 1, h.hour + interval '1 hour')
                   OVER (ORDER BY r.measured_at) - r.measured_at)) AS stands_s
        FROM reading r
        WHERE r.channel_id = l.channel_id AND r.measured_at >= h.hour AND r.measured_at < h.hour + interval '1 hour'
          AND r.flag <> 4
    ) i
    WHERE h.channel_id = l.channel_id AND h.hour >= %(start)s AND h.hour < %(end)s
      AND h.n NOT BETWEEN floor(0.8 * 3600 / a.interval_s) AND ceil(3600 / a.interval_s)
    GROUP BY h.channel_id, h.hour
) e
WHERE c.zone_id = ANY(%(zones)s) AND c.asset_id || '/' || c.name = ANY(%(channels)s) AND NOT c.is_counter
  AND (c.is_active OR c.retired_at IS NOT NULL)
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
