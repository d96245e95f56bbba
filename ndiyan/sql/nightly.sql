-- When the newest backup was made, as a heartbeat of its own.

-- note
-- Where there is none, what was known before stays; at first, now.
INSERT INTO heartbeat (service, beat_at, detail) VALUES ('backup', coalesce(%(made_at)s::timestamptz, %(now)s), '{}')
ON CONFLICT (service) DO UPDATE SET beat_at = coalesce(%(made_at)s::timestamptz, heartbeat.beat_at);

-- forget
DELETE FROM heartbeat WHERE service = 'backup';
