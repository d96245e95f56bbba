-- Which of these readings (by place, from 0) are not stored, and which are stored with another value. The caller sorts
-- them by key and bounds their times. One probe of the key for each: whatever the planner thinks of an array's length.
CREATE FUNCTION look_up_readings(channels integer[], times timestamptz[], vals double precision[],
                                 from_at timestamptz, to_at timestamptz,
                                 OUT absent integer[], OUT differing integer[])
LANGUAGE sql STABLE SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $$
    SELECT array_agg(s.place::integer - 1) FILTER (WHERE r.value IS NULL),
           array_agg(s.place::integer - 1) FILTER (WHERE r.value <> s.value)
    FROM unnest(channels, times, vals) WITH ORDINALITY AS s (channel_id, measured_at, value, place)
    LEFT JOIN reading r ON r.channel_id = s.channel_id AND r.measured_at = s.measured_at
                       AND r.measured_at >= from_at AND r.measured_at <= to_at
$$;
