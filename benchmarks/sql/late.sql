-- version
-- TimescaleDB's, no row where the server does not have it or has it under its Apache licence, without columns.
SELECT extversion FROM pg_extension
WHERE extname = 'timescaledb' AND current_setting('timescaledb.license', true) = 'timescale';

-- stop_jobs
-- Only the benchmark compresses, and only when it says so.
SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs;

-- zone
INSERT INTO zone
    (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf_per_20_l)
VALUES ('bench', 'bench', 'bench', 11, -12, 1000, true, 1000, 2026, 100);

-- asset
INSERT INTO asset (zone_id, asset_id, kind, interval_s) VALUES ('bench', 'pump', 'pump', %(interval_s)s);

-- channels
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)
SELECT 'bench', 'pump', 'channel-' || n, 'kW', false, -1e9, 1e9 FROM generate_series(1, %(channels)s) n RETURNING channel_id;

-- limit_table
-- The same table, never compressed: what the server allows.
CREATE TABLE reading_limit (LIKE reading, PRIMARY KEY (channel_id, measured_at));

-- limit_hypertable
SELECT create_hypertable('reading_limit', by_range('measured_at', INTERVAL '7 days'), create_default_indexes => false);

-- empty_limit
TRUNCATE reading_limit;

-- copy_limit
COPY reading_limit (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);

-- compress
-- With the statistics that autovacuum would have taken by then.
SELECT compress_chunk(chunk) FROM show_chunks('reading') AS chunk;
ANALYZE reading;

-- size
SELECT hypertable_size('reading')::float8 / (SELECT count(*) FROM reading);

-- settle
CHECKPOINT;
