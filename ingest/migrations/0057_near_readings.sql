-- The good reading before a span, and the one behind a reading, are nearly always near; only where none is near all of the
-- past or future is asked. A week that is stored by column unpacked all that a channel has in it.

CREATE OR REPLACE FUNCTION readings_of_spans(channels integer[], starts timestamptz[], ends timestamptz[],
                                             OUT span bigint[], OUT measured timestamptz[], OUT vals double precision[],
                                             OUT flags smallint[])
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0 AS $$
    SELECT array_agg(t.place), array_agg(r.measured_at), array_agg(r.value), array_agg(r.flag)
    FROM unnest(channels, starts, ends) WITH ORDINALITY AS t (channel_id, start_at, end_at, place)
    CROSS JOIN LATERAL (
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
    ) r
$$;

CREATE OR REPLACE FUNCTION hours_after(channels integer[], times timestamptz[], OUT channel_id integer, OUT hour bigint)
RETURNS SETOF record
LANGUAGE sql STABLE SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET max_parallel_workers_per_gather = 0 AS $$
    SELECT t.channel_id, floor(extract(epoch FROM r.measured_at) / 3600)::bigint
    FROM unnest(channels, times) AS t (channel_id, measured_at)
    CROSS JOIN LATERAL (
        (SELECT r.measured_at FROM reading r
         WHERE r.channel_id = t.channel_id AND r.measured_at > t.measured_at
           AND r.measured_at <= t.measured_at + interval '6 hours' AND r.flag <> 4
         ORDER BY r.measured_at LIMIT 1)
        UNION ALL
        (SELECT r.measured_at FROM reading r
         WHERE r.channel_id = t.channel_id AND r.measured_at > t.measured_at AND r.flag <> 4
         ORDER BY r.measured_at LIMIT 1)
        LIMIT 1) r
$$;
