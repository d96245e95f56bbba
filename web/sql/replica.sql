-- newest_beat
SELECT max(beat_at) FROM heartbeat;
