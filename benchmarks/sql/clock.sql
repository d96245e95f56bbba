-- What a run with a wrong clock asks.

-- state
-- When zones were judged last, how many readings have an estimated time, and which alerts are open.
SELECT (SELECT max(last_ok_at) FROM job), (SELECT count(*) FROM reading_note WHERE device_at IS NOT NULL),
       (SELECT coalesce(string_agg(DISTINCT fault, ' '), '') FROM alert WHERE state <> 'resolved'),
       (SELECT count(*) FROM set_aside WHERE reason = 'time_in_future' AND replayed_at IS NULL);

-- in_future
SELECT set_aside_id FROM set_aside WHERE reason = 'time_in_future' ORDER BY 1;
