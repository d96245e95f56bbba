-- stored
-- How many readings are stored, by ingest's own account.
SELECT coalesce(sum(stored), 0) FROM gateway_day;

-- lateness
-- From the minute in which a reading was measured until ingest had it: median, 99 of 100, and the last [s].
SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY extract(epoch FROM received_at - measured_at))
FROM reading;
