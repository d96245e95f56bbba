-- observations
-- Some readings of some channels, each channel's by itself, as columns, the oldest first.
SELECT l.channel_id, r.measured_at, r.received_at, r.value, r.flag FROM latest l CROSS JOIN LATERAL (
    SELECT measured_at, received_at, value, flag FROM reading
    WHERE channel_id = l.channel_id
      AND measured_at >= %(start)s AND measured_at <= %(end)s AND value >= %(low)s AND value <= %(high)s
    ORDER BY measured_at LIMIT %(limit)s OFFSET %(skip)s
) r WHERE l.channel_id = ANY(%(channels)s::int[]);

-- newest_observations
SELECT l.channel_id, r.measured_at, r.received_at, r.value, r.flag FROM latest l CROSS JOIN LATERAL (
    SELECT measured_at, received_at, value, flag FROM reading
    WHERE channel_id = l.channel_id
      AND measured_at >= %(start)s AND measured_at <= %(end)s AND value >= %(low)s AND value <= %(high)s
    ORDER BY measured_at DESC LIMIT %(limit)s OFFSET %(skip)s
) r WHERE l.channel_id = ANY(%(channels)s::int[]);

-- count_observations
SELECT channel_id, count(*) FROM reading
WHERE channel_id = ANY(%(channels)s::int[])
  AND measured_at >= %(start)s AND measured_at <= %(end)s AND value >= %(low)s AND value <= %(high)s
GROUP BY channel_id;

-- spans
-- When each channel's readings begin and end. The first hour that was added up tells where to look for the oldest one; where
-- all were dropped as too old, the newest is known still.
SELECT l.channel_id, coalesce((
    SELECT r.measured_at FROM reading r WHERE r.channel_id = l.channel_id AND r.measured_at >= least(
        (SELECT min(h.hour) FROM reading_hour h WHERE h.channel_id = l.channel_id),
        date_trunc('hour', l.measured_at, 'UTC'))
    ORDER BY r.measured_at LIMIT 1
), l.measured_at), l.measured_at
FROM latest l WHERE l.channel_id = ANY(%(channels)s::int[]);
