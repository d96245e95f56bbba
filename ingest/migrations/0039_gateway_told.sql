-- What gateways tell of their boxes in their retained status, checked and bounded (`ingest/told.py`), and when it was said:
-- by the gateway's own clock where somebody vouches for it, for a retained message comes again whenever we subscribe.
ALTER TABLE gateway ADD COLUMN told jsonb, ADD COLUMN told_at timestamptz;

-- The last of each day: bytes on the wire, and how often the program had started since its outbox was made.
CREATE TABLE gateway_told_day (
    gateway_id    text NOT NULL REFERENCES gateway,
    day           date NOT NULL,
    told_at       timestamptz NOT NULL,
    restarts      bigint,
    up_bytes      bigint,
    down_bytes    bigint,
    PRIMARY KEY (gateway_id, day)
);
