-- explain
-- TIMING OFF: a look at the clock for each row would be measured too.
EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON);

-- analyze
ANALYZE;

-- database_of_a_day
-- Beside the year: a registry of another size.
CREATE DATABASE day;

-- empty
TRUNCATE reading;

-- copy_reading
COPY reading (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);
