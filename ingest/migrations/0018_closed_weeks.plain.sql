-- Readings that turn out to be spikes once the next one has come.
CREATE FUNCTION flag_suspect(channels integer[], times timestamptz[]) RETURNS void LANGUAGE sql AS $$
    UPDATE reading r SET flag = greatest(r.flag, 3)
    FROM unnest(channels, times) AS t (channel_id, measured_at)
    WHERE r.channel_id = t.channel_id AND r.measured_at = t.measured_at
$$;
