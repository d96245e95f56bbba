-- boxes
SELECT gateway_id, status, status_at, software, clock_source, told, told_at
FROM gateway WHERE zone_id = %(zone)s AND is_active ORDER BY gateway_id;

-- days
-- The last days of a box, the newest first. A counter that went back began anew with a new outbox.
SELECT day, CASE WHEN restarts >= lag(restarts) OVER by_day THEN restarts - lag(restarts) OVER by_day END, up_bytes,
       down_bytes
FROM gateway_told_day WHERE gateway_id = %(gateway)s
WINDOW by_day AS (ORDER BY day) ORDER BY day DESC LIMIT %(limit)s;
