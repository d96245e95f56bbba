-- open_hours
-- The hour that each channel is in is told by its newest reading.
SELECT channel_id, (extract(epoch FROM measured_at) * 1000000)::int8, value, flag FROM latest
WHERE %(only)s::integer IS NULL OR channel_id = %(only)s;

-- meters
-- Where counters begin anew, and what their pipes carry.
SELECT channel_id, coalesce(wraps_at, 'NaN'), coalesce(most_per_h, 'NaN') FROM channel
WHERE %(only)s::integer IS NULL OR channel_id = %(only)s;

-- copy_hours
COPY reading_hour (channel_id, hour, n, bad, min, max, sum, first, last, steps) FROM STDIN (FORMAT binary);

-- readings_by_span
-- 4,096 readings a row: a connection keeps room for the largest row that it ever brought.
SELECT span[i:i + 4095], measured[i:i + 4095], vals[i:i + 4095], flags[i:i + 4095]
FROM readings_by_span(%(channel)s, %(start)s, %(end)s), generate_series(1, cardinality(span), 4096) AS i;

-- replace_hours
-- Hours as they are now; one without a good reading comes with NaN.
INSERT INTO reading_hour (channel_id, hour, n, bad, min, max, sum, first, last, steps)
SELECT channel_id, hour, n, bad, nullif(min, 'NaN'), nullif(max, 'NaN'), nullif(sum, 'NaN'), nullif(first, 'NaN'),
       nullif(last, 'NaN'), steps
FROM unnest(%(channel)s, %(hour)s, %(n)s, %(bad)s, %(min)s, %(max)s, %(sum)s, %(first)s, %(last)s, %(steps)s)
     AS t (channel_id, hour, n, bad, min, max, sum, first, last, steps)
ON CONFLICT (channel_id, hour) DO UPDATE SET
    n = EXCLUDED.n, bad = EXCLUDED.bad, min = EXCLUDED.min, max = EXCLUDED.max, sum = EXCLUDED.sum,
    first = EXCLUDED.first, last = EXCLUDED.last, steps = EXCLUDED.steps;

-- days_anew
-- Days as their hours say.
INSERT INTO reading_day (channel_id, day, n, bad, min, max, sum, first, last, steps, last_hour)
SELECT t.channel_id, t.day, sum(h.n), sum(h.bad), min(h.min), max(h.max), sum(h.sum ORDER BY h.hour),
       (array_agg(h.first ORDER BY h.hour) FILTER (WHERE h.n > 0))[1],
       (array_agg(h.last ORDER BY h.hour DESC) FILTER (WHERE h.n > 0))[1], sum(h.steps ORDER BY h.hour),
       max(h.hour) FILTER (WHERE h.n > 0)
FROM unnest(%(channel)s, %(day)s) AS t (channel_id, day)
JOIN reading_hour h ON h.channel_id = t.channel_id AND h.hour >= t.day AND h.hour < t.day + interval '1 day'
GROUP BY t.channel_id, t.day
ON CONFLICT (channel_id, day) DO UPDATE SET
    n = EXCLUDED.n, bad = EXCLUDED.bad, min = EXCLUDED.min, max = EXCLUDED.max, sum = EXCLUDED.sum,
    first = EXCLUDED.first, last = EXCLUDED.last, steps = EXCLUDED.steps, last_hour = EXCLUDED.last_hour;

-- hours_after
SELECT channel_id, hour FROM hours_after(%(channel)s, %(measured)s);

-- missing_hours
-- From behind each channel's last written hour up to the hour that it is in. OFFSET 0 fetches the channels before their
-- hours are added up: where tables are spread over machines, the function is called by the one that may ask all.
INSERT INTO reading_hour (channel_id, hour, n, bad, min, max, sum, first, last, steps)
SELECT l.channel_id, h.hour, h.n, h.bad, h.min, h.max, h.sum, h.first, h.last, h.steps
FROM (
    SELECT channel_id, date_trunc('hour', measured_at, 'UTC') AS open_hour, coalesce(
        (SELECT max(r.hour) + interval '1 hour' FROM reading_hour r WHERE r.channel_id = latest.channel_id),
        '-infinity') AS from_hour
    FROM latest WHERE %(only)s::integer IS NULL OR channel_id = %(only)s OFFSET 0
) l CROSS JOIN LATERAL hours_from_readings(l.channel_id, l.from_hour, l.open_hour) h
ON CONFLICT DO NOTHING;

-- missing_days
INSERT INTO reading_day (channel_id, day, n, bad, min, max, sum, first, last, steps, last_hour)
SELECT l.channel_id, date_trunc('day', h.hour, 'UTC'), sum(h.n), sum(h.bad), min(h.min), max(h.max), sum(h.sum ORDER BY h.hour),
       (array_agg(h.first ORDER BY h.hour) FILTER (WHERE h.n > 0))[1],
       (array_agg(h.last ORDER BY h.hour DESC) FILTER (WHERE h.n > 0))[1], sum(h.steps ORDER BY h.hour),
       max(h.hour) FILTER (WHERE h.n > 0)
FROM latest l JOIN reading_hour h ON h.channel_id = l.channel_id AND h.hour < date_trunc('day', l.measured_at, 'UTC')
    AND h.hour >= coalesce((SELECT max(d.day) + interval '1 day' FROM reading_day d WHERE d.channel_id = l.channel_id),
                           '-infinity')
WHERE %(only)s::integer IS NULL OR l.channel_id = %(only)s
GROUP BY l.channel_id, date_trunc('day', h.hour, 'UTC')
ON CONFLICT DO NOTHING;
