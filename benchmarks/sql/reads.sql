-- explain
-- TIMING OFF: a look at the clock for each row would be measured too.
EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON);

-- analyze
ANALYZE;

-- empty_day
-- Make room for another day in which all channels have readings.
DELETE FROM reading WHERE measured_at >= %(start)s;

-- copy_reading
COPY reading (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);
