-- Conflicts are listed newest first.
CREATE INDEX reading_conflict_received ON reading_conflict (received_at, channel_id, measured_at, value);
