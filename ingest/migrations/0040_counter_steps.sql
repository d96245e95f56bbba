-- What a counter moved on: past its end where it is known to roll over, and never further than its pipe carries.
--
-- `wraps_at` is the number after which it begins at 0 again (zone file, profile). `most_per_h` is what its pipe can carry
-- at all (the rate limit of `ingest/quality.py`); a longer step is a meter that was exchanged or set, and counts as nothing.
ALTER TABLE channel ADD COLUMN wraps_at double precision CHECK (wraps_at > 0), ADD COLUMN most_per_h double precision;

UPDATE channel SET most_per_h = CASE WHEN asset_id LIKE 'tap-%' THEN 20 ELSE 200 END
WHERE is_counter AND name IN ('volume_m3', 'outflow_volume_m3', 'volume_m3_by_hand', 'outflow_volume_m3_by_hand');

-- The same rule as `ingest/meters.py`, in the same order of operations, so that both give the same bits.
CREATE FUNCTION counted_step(step double precision, span_s double precision, wraps_at double precision,
                             most_per_h double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN moved > 0 AND NOT coalesce(moved > most_per_h * greatest(span_s / 3600, 1), false) THEN moved ELSE 0 END
    FROM (SELECT CASE WHEN step < 0 AND step + wraps_at <= wraps_at / 4 THEN step + wraps_at ELSE step END) AS t (moved)
$$;

-- As in migration 0008, with the steps counted by that rule.
CREATE OR REPLACE FUNCTION hours_from_readings(of_channel integer, from_hour timestamptz, to_hour timestamptz)
RETURNS TABLE (hour timestamptz, n integer, min double precision, max double precision, sum double precision,
               first double precision, last double precision, steps double precision, bad integer)
LANGUAGE sql STABLE AS $$
    WITH span AS (
        SELECT measured_at, value, flag FROM reading
        WHERE channel_id = of_channel AND measured_at >= from_hour AND measured_at < to_hour
    ), before AS (
        SELECT r.measured_at, r.value FROM reading r
        WHERE r.channel_id = of_channel AND r.measured_at < from_hour AND r.flag <> 4
        ORDER BY r.measured_at DESC LIMIT 1
    ), good AS (
        SELECT measured_at, value,
               value - lag(value, 1, (SELECT value FROM before)) OVER (ORDER BY measured_at) AS step,
               extract(epoch FROM measured_at - lag(measured_at, 1, (SELECT measured_at FROM before))
                   OVER (ORDER BY measured_at))::float8 AS span_s
        FROM span WHERE flag <> 4
    ), hours AS (
        SELECT date_trunc('hour', measured_at, 'UTC') AS hour, count(*)::integer AS n, min(value) AS min, max(value) AS max,
               sum(value ORDER BY measured_at) AS sum,
               (array_agg(value ORDER BY measured_at))[1] AS first,
               (array_agg(value ORDER BY measured_at DESC))[1] AS last,
               coalesce(sum(counted_step(step, span_s, wraps_at, most_per_h) ORDER BY measured_at)
                            FILTER (WHERE step IS NOT NULL), 0) AS steps
        FROM good CROSS JOIN (SELECT wraps_at, most_per_h FROM channel WHERE channel_id = of_channel) AS meter GROUP BY 1
    ), bads AS (
        SELECT date_trunc('hour', measured_at, 'UTC') AS hour, count(*)::integer AS bad FROM span WHERE flag = 4 GROUP BY 1
    )
    SELECT coalesce(h.hour, b.hour), coalesce(h.n, 0), h.min, h.max, h.sum, h.first, h.last, coalesce(h.steps, 0),
           coalesce(b.bad, 0)
    FROM hours h FULL JOIN bads b ON b.hour = h.hour
$$;
