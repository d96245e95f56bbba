-- Readings on TimescaleDB: same columns and key as on plain PostgreSQL, one chunk a week.

CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE TABLE reading (
    channel_id    integer NOT NULL,
    flag          smallint NOT NULL,
    measured_at   timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    PRIMARY KEY (channel_id, measured_at)
);
SELECT create_hypertable('reading', by_range('measured_at', INTERVAL '7 days'), create_default_indexes => false);

CREATE FUNCTION ensure_reading_partition(week timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT $$;
