-- What stands beside the readings: the latest of each channel, conflicts, what was set aside, boots, heartbeats.

CREATE TABLE latest (
    channel_id    integer PRIMARY KEY REFERENCES channel,
    measured_at   timestamptz NOT NULL,
    received_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    flag          smallint NOT NULL
) WITH (fillfactor = 40);

-- Another value for a channel and time that is already stored: the first stays, the second is kept here.
CREATE TABLE reading_conflict (
    channel_id    integer NOT NULL REFERENCES channel,
    measured_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    received_at   timestamptz NOT NULL,
    PRIMARY KEY (channel_id, measured_at, value)
);

-- What could not be accepted, with its bytes; `payload` on `topic` can be replayed as it stands.
CREATE TABLE set_aside (
    set_aside_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL,
    topic         text NOT NULL,
    zone_id       text,
    gateway_id    text,
    payload       bytea NOT NULL,
    reason        text NOT NULL,
    detail        text NOT NULL,
    fingerprint   bytea NOT NULL UNIQUE,     -- of topic and payload: a redelivery is set aside once
    replayed_at   timestamptz
);
CREATE INDEX set_aside_received ON set_aside (received_at DESC);

-- Each boot of a gateway, with the sequence numbers that ingest has taken over (stored, duplicate or set aside).
CREATE TABLE gateway_boot (
    zone_id       text NOT NULL,
    gateway_id    text NOT NULL,
    boot          text NOT NULL,
    first_received_at timestamptz NOT NULL,
    last_received_at  timestamptz NOT NULL,
    seq           int8multirange NOT NULL DEFAULT '{}',
    PRIMARY KEY (zone_id, gateway_id, boot)
);

CREATE TABLE heartbeat (
    service       text PRIMARY KEY,
    beat_at       timestamptz NOT NULL,      -- platform time
    detail        jsonb NOT NULL DEFAULT '{}'
);
