-- A secretary sees the conflicts of their own zone's channels, as they see its readings.
ALTER TABLE reading_conflict ENABLE ROW LEVEL SECURITY;
CREATE POLICY every_row ON reading_conflict USING (true);
CREATE POLICY own_zone ON reading_conflict AS RESTRICTIVE TO ndiyan_zone
    USING (channel_id IN (SELECT channel_id FROM channel));
GRANT SELECT ON reading_conflict TO ndiyan_zone;
