-- beats
SELECT service, beat_at FROM heartbeat;
