-- As in migration 0009, but PL/pgSQL, and asking only for what is there: an outer join would have tables that are spread
-- over machines hand over all of the time between. Grouped, so that each reading stays one probe of the key.
CREATE OR REPLACE FUNCTION look_up_readings(channels integer[], times timestamptz[], vals double precision[],
                                            from_at timestamptz, to_at timestamptz,
                                            OUT absent integer[], OUT differing integer[])
LANGUAGE plpgsql STABLE SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
DECLARE
    present integer[];
BEGIN
    SELECT array_agg(s.place::integer - 1), array_agg(s.place::integer - 1) FILTER (WHERE r.value <> s.value)
    INTO present, differing
    FROM unnest(channels, times, vals) WITH ORDINALITY AS s (channel_id, measured_at, value, place)
    CROSS JOIN LATERAL (
        SELECT channel_id, max(value) AS value FROM reading
        WHERE channel_id = s.channel_id AND measured_at = s.measured_at AND measured_at >= from_at AND measured_at <= to_at
        GROUP BY channel_id
    ) r;
    absent := ARRAY(SELECT generate_series(0, cardinality(channels) - 1) EXCEPT SELECT unnest(present));
END $$;

-- As in migrations 0018 and 0051, but PL/pgSQL.
CREATE OR REPLACE FUNCTION flag_suspect(channels integer[], times timestamptz[]) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE reading r SET flag = greatest(r.flag, 3)
    FROM unnest(channels, times) AS t (channel_id, measured_at)
    WHERE r.channel_id = t.channel_id AND r.measured_at = t.measured_at;
END $$;
