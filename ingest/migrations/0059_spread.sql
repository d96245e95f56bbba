-- The same answers in a way that can also be asked of tables spread over machines (Citus; docs/scale.md): what lies on
-- several is joined by its channel, and functions that ask for it are PL/pgSQL. The lateral parts go by the channel of
-- `latest`, which lies where the readings do, and which every channel with a reading has.

-- All hours, the one that is going on included. Its steps begin at the last good reading before it.
CREATE OR REPLACE VIEW reading_hourly AS
    SELECT r.channel_id, r.hour, r.n, r.min, r.max, r.sum, r.first, r.last, r.steps, r.bad
    FROM reading_hour r JOIN latest l USING (channel_id) WHERE r.hour < date_trunc('hour', l.measured_at, 'UTC')
    UNION ALL
    SELECT l.channel_id, date_trunc('hour', l.measured_at, 'UTC'), (count(*) FILTER (WHERE s.is_good))::integer,
           min(s.value) FILTER (WHERE s.is_good), max(s.value) FILTER (WHERE s.is_good),
           sum(s.value ORDER BY s.measured_at) FILTER (WHERE s.is_good),
           (array_agg(s.value ORDER BY s.measured_at) FILTER (WHERE s.is_good))[1],
           (array_agg(s.value ORDER BY s.measured_at DESC) FILTER (WHERE s.is_good))[1],
           coalesce(sum(counted_step(s.step, s.span_s, c.wraps_at, c.most_per_h) ORDER BY s.measured_at)
                        FILTER (WHERE s.is_good AND s.step IS NOT NULL), 0),
           (count(*) FILTER (WHERE NOT s.is_good))::integer
    FROM latest l JOIN channel c USING (channel_id) CROSS JOIN LATERAL (
        SELECT r.measured_at, r.value, r.flag <> 4 AS is_good, r.value - lag(r.value) OVER alike AS step,
               extract(epoch FROM r.measured_at - lag(r.measured_at) OVER alike)::float8 AS span_s
        FROM reading r
        WHERE r.channel_id = l.channel_id
          AND r.measured_at < date_trunc('hour', l.measured_at, 'UTC') + interval '1 hour'
          AND r.measured_at >= coalesce(
              (SELECT b.measured_at FROM reading b WHERE b.channel_id = l.channel_id
                 AND b.measured_at < date_trunc('hour', l.measured_at, 'UTC') AND b.flag <> 4
               ORDER BY b.measured_at DESC LIMIT 1),
              date_trunc('hour', l.measured_at, 'UTC'))
        WINDOW alike AS (PARTITION BY r.flag <> 4 ORDER BY r.measured_at)
    ) s
    WHERE s.measured_at >= date_trunc('hour', l.measured_at, 'UTC')
    GROUP BY l.channel_id, l.measured_at;

-- As in migration 0040.
CREATE OR REPLACE FUNCTION hours_from_readings(of_channel integer, from_hour timestamptz, to_hour timestamptz)
RETURNS TABLE (hour timestamptz, n integer, min double precision, max double precision, sum double precision,
               first double precision, last double precision, steps double precision, bad integer)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    meter record;
BEGIN
    SELECT c.wraps_at, c.most_per_h INTO meter FROM channel c WHERE c.channel_id = of_channel;
    RETURN QUERY
    SELECT date_trunc('hour', s.measured_at, 'UTC'), (count(*) FILTER (WHERE s.is_good))::integer,
           min(s.value) FILTER (WHERE s.is_good), max(s.value) FILTER (WHERE s.is_good),
           sum(s.value ORDER BY s.measured_at) FILTER (WHERE s.is_good),
           (array_agg(s.value ORDER BY s.measured_at) FILTER (WHERE s.is_good))[1],
           (array_agg(s.value ORDER BY s.measured_at DESC) FILTER (WHERE s.is_good))[1],
           coalesce(sum(counted_step(s.step, s.span_s, meter.wraps_at, meter.most_per_h) ORDER BY s.measured_at)
                        FILTER (WHERE s.is_good AND s.step IS NOT NULL), 0),
           (count(*) FILTER (WHERE NOT s.is_good))::integer
    FROM (
        SELECT r.measured_at, r.value, r.flag <> 4 AS is_good, r.value - lag(r.value) OVER alike AS step,
               extract(epoch FROM r.measured_at - lag(r.measured_at) OVER alike)::float8 AS span_s
        FROM reading r
        WHERE r.channel_id = of_channel AND r.measured_at < to_hour AND r.measured_at >= coalesce(
            (SELECT b.measured_at FROM reading b
             WHERE b.channel_id = of_channel AND b.measured_at < from_hour AND b.flag <> 4
             ORDER BY b.measured_at DESC LIMIT 1),
            from_hour)
        WINDOW alike AS (PARTITION BY r.flag <> 4 ORDER BY r.measured_at)
    ) s
    WHERE s.measured_at >= from_hour GROUP BY 1;
END $$;

-- As `readings_of_spans` (0057), for a writer that has written `latest` before it asks. That one stays for the version that
-- runs meanwhile, which does so afterwards.
CREATE FUNCTION readings_by_span(channels integer[], starts timestamptz[], ends timestamptz[],
                                 OUT span bigint[], OUT measured timestamptz[], OUT vals double precision[],
                                 OUT flags smallint[])
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
    SELECT array_agg(t.place), array_agg(r.measured_at), array_agg(r.value), array_agg(r.flag)
    INTO span, measured, vals, flags
    FROM (
        SELECT l.channel_id, s.start_at, s.end_at, s.place
        FROM unnest(channels, starts, ends) WITH ORDINALITY AS s (channel_id, start_at, end_at, place)
        JOIN latest l ON l.channel_id = s.channel_id
    ) t CROSS JOIN LATERAL (
        SELECT measured_at, value, flag FROM reading
        WHERE channel_id = t.channel_id AND measured_at >= t.start_at AND measured_at < t.end_at
        UNION ALL
        (SELECT * FROM (
            (SELECT measured_at, value, flag FROM reading
             WHERE channel_id = t.channel_id AND measured_at < t.start_at
               AND measured_at >= t.start_at - interval '6 hours' AND flag <> 4 ORDER BY measured_at DESC LIMIT 1)
            UNION ALL
            (SELECT measured_at, value, flag FROM reading
             WHERE channel_id = t.channel_id AND measured_at < t.start_at AND flag <> 4 ORDER BY measured_at DESC LIMIT 1)
        ) before LIMIT 1)
    ) r;
END $$;

-- As in migration 0057. OFFSET 0 keeps the server from looking twice for what is then asked to be there.
CREATE OR REPLACE FUNCTION hours_after(channels integer[], times timestamptz[], OUT channel_id integer, OUT hour bigint)
RETURNS SETOF record
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
    RETURN QUERY
    SELECT t.channel_id, floor(extract(epoch FROM t.measured_at) / 3600)::bigint
    FROM (
        SELECT l.channel_id, coalesce(
            (SELECT r.measured_at FROM reading r
             WHERE r.channel_id = l.channel_id AND r.measured_at > s.measured_at
               AND r.measured_at <= s.measured_at + interval '6 hours' AND r.flag <> 4
             ORDER BY r.measured_at LIMIT 1),
            (SELECT r.measured_at FROM reading r
             WHERE r.channel_id = l.channel_id AND r.measured_at > s.measured_at AND r.flag <> 4
             ORDER BY r.measured_at LIMIT 1)) AS measured_at
        FROM unnest(channels, times) AS s (channel_id, measured_at) JOIN latest l ON l.channel_id = s.channel_id OFFSET 0
    ) t WHERE t.measured_at IS NOT NULL;
END $$;
