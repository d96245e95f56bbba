-- Readings on plain PostgreSQL: one partition a week, made by ingest when the first reading of a week comes.
-- `flag` stands second so that it fills alignment padding and costs no byte.

CREATE TABLE reading (
    channel_id    integer NOT NULL,
    flag          smallint NOT NULL,
    measured_at   timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    PRIMARY KEY (channel_id, measured_at)
) PARTITION BY RANGE (measured_at);

CREATE FUNCTION ensure_reading_partition(week timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    start_on date := date_trunc('week', week AT TIME ZONE 'UTC')::date;
    part text := 'reading_' || to_char(start_on, 'IYYY"w"IW');
BEGIN
    IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF reading FOR VALUES FROM (%L) TO (%L)',
                       part, start_on::timestamp AT TIME ZONE 'UTC', (start_on + 7)::timestamp AT TIME ZONE 'UTC');
    END IF;
END $$;
