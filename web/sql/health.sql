-- newest_reading
SELECT max(measured_at) FROM latest;

-- heartbeats
SELECT service, beat_at FROM heartbeat ORDER BY service;
