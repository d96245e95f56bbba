-- watermark
-- The newest stored time of each channel [µs since 1970]; the key is the judge, this only tells what is surely new.
SELECT channel_id, (extract(epoch FROM measured_at) * 1000000)::int8 FROM latest;

-- make_staging
CREATE TEMPORARY TABLE IF NOT EXISTS staging (
    position integer GENERATED ALWAYS AS IDENTITY,
    channel_id integer NOT NULL, flag smallint NOT NULL, measured_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL, value double precision NOT NULL
);

-- empty_staging
TRUNCATE staging RESTART IDENTITY;

-- ensure_week
SELECT ensure_reading_partition(%(week)s);

-- copy_reading
COPY reading (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);

-- copy_staging
COPY staging (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);

-- insert_staged
-- A reading delivered twice is stored once; the first delivery wins.
INSERT INTO reading (channel_id, flag, measured_at, received_at, value)
SELECT channel_id, flag, measured_at, received_at, value FROM staging ORDER BY position
ON CONFLICT (channel_id, measured_at) DO NOTHING;

-- insert_conflicts
-- Another value for a channel and time that is already stored.
INSERT INTO reading_conflict (channel_id, measured_at, value, received_at)
SELECT s.channel_id, s.measured_at, s.value, s.received_at
FROM staging s JOIN reading r USING (channel_id, measured_at)
WHERE r.value IS DISTINCT FROM s.value
ON CONFLICT DO NOTHING;

-- count_conflicts
SELECT count(*) FROM staging s JOIN reading r USING (channel_id, measured_at) WHERE r.value IS DISTINCT FROM s.value;

-- update_latest
-- Read back from `reading`, so that it holds what is stored and not what was sent.
INSERT INTO latest (channel_id, measured_at, received_at, value, flag)
SELECT r.channel_id, r.measured_at, r.received_at, r.value, r.flag
FROM unnest(%(channel)s::integer[], %(measured)s::timestamptz[]) AS n (channel_id, measured_at)
JOIN reading r USING (channel_id, measured_at)
ON CONFLICT (channel_id) DO UPDATE SET
    measured_at = EXCLUDED.measured_at, received_at = EXCLUDED.received_at, value = EXCLUDED.value,
    flag = EXCLUDED.flag
WHERE latest.measured_at < EXCLUDED.measured_at;
