-- bytes_plain
-- With indexes, of all weeks.
SELECT (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'reading'::regclass)::float8
       / (SELECT count(*) FROM reading);

-- bytes_timescaledb
SELECT hypertable_size('reading')::float8 / (SELECT count(*) FROM reading);

-- settle
ANALYZE;
CHECKPOINT;
