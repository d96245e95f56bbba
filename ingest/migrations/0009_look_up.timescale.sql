-- Which of these readings (by place, from 0) are not stored, and which are stored with another value. The caller sorts
-- them by key and bounds their times. A few are probed one by one; many are joined with all of their channels' readings
-- of that time at once, because a probe into a compressed chunk unpacks a thousand readings.
CREATE FUNCTION look_up_readings(channels integer[], times timestamptz[], vals double precision[],
                                 from_at timestamptz, to_at timestamptz,
                                 OUT absent integer[], OUT differing integer[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(channels) > 200 THEN
        PERFORM set_config('enable_nestloop', 'off', true), set_config('enable_hashjoin', 'on', true);
    ELSE
        PERFORM set_config('enable_nestloop', 'on', true), set_config('enable_hashjoin', 'off', true);
    END IF;
    SELECT array_agg(s.place::integer - 1) FILTER (WHERE r.value IS NULL),
           array_agg(s.place::integer - 1) FILTER (WHERE r.value <> s.value)
    INTO absent, differing
    FROM unnest(channels, times, vals) WITH ORDINALITY AS s (channel_id, measured_at, value, place)
    LEFT JOIN reading r ON r.channel_id = s.channel_id AND r.measured_at = s.measured_at
                       AND r.measured_at >= from_at AND r.measured_at <= to_at AND r.channel_id = ANY (channels);
    PERFORM set_config('enable_nestloop', 'on', true), set_config('enable_hashjoin', 'on', true);
END $$;
