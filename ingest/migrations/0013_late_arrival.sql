-- Ingest leaves word when readings come into a zone's past (more than an hour late): judging takes it and begins there
-- again. A row is written once and deleted once, so that neither of the two waits for the other.
CREATE TABLE late_arrival (
    late_arrival_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id       text NOT NULL,
    first_at      timestamptz NOT NULL             -- measured time of the earliest of them
);
