-- forget_heartbeat
DELETE FROM heartbeat WHERE service = 'ingest';

-- is_listening
SELECT 1 FROM heartbeat WHERE service = 'ingest' AND (detail ->> 'broker')::boolean;

-- received
-- Readings whose fate is committed, again or for the first time.
SELECT coalesce(sum(received), 0)::bigint FROM gateway_day;

-- keeps_more
-- Whether more is kept than the readings.
SELECT EXISTS (SELECT FROM latest) OR EXISTS (SELECT FROM reading_hour);

-- insert_one
-- What a script that knows no better does.
INSERT INTO reading (channel_id, flag, measured_at, received_at, value)
VALUES (%(channel)s, 1, to_timestamp(%(at_s)s), now(), %(value)s) ON CONFLICT DO NOTHING;

-- copy_reading
COPY reading (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);

-- present
-- How many of these are stored.
SELECT count(*) FROM unnest(%(channel)s::int4[], %(at_us)s::int8[]) AS t (channel_id, at_us)
JOIN reading r ON r.channel_id = t.channel_id AND r.measured_at = to_timestamp(t.at_us / 1000000);

-- stored
SELECT count(*) FROM reading;
