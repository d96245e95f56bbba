-- newest_reading
SELECT max(measured_at) FROM latest JOIN channel USING (channel_id) WHERE by_hand_of IS NULL;

-- heartbeats
SELECT service, beat_at FROM heartbeat ORDER BY service;
