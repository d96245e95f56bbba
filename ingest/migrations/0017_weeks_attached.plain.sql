-- A new week is made beside the table and then attached: that waits for nobody who reads, and nobody waits for it, while
-- a partition that is created in place must have the table for itself.
CREATE OR REPLACE FUNCTION ensure_reading_partition(week timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    start_on date := date_trunc('week', week AT TIME ZONE 'UTC')::date;
    part text := 'reading_' || to_char(start_on, 'IYYY"w"IW');
BEGIN
    IF to_regclass(part) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ensure_reading_partition'));
    -- Asked in the catalogue itself: what the session remembers of names is older than the lock.
    IF NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class ON oid = inhrelid
                   WHERE inhparent = 'reading'::regclass AND relname = part) THEN
        EXECUTE format('CREATE TABLE %I (LIKE reading INCLUDING ALL)', part);
        EXECUTE format('ALTER TABLE reading ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       part, start_on::timestamp AT TIME ZONE 'UTC', (start_on + 7)::timestamp AT TIME ZONE 'UTC');
    END IF;
END $$;
