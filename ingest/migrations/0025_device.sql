-- Devices that speak a dialect of their own, the profiles that read them, and what they said, as it came.

CREATE TABLE device (
    profile       text NOT NULL,
    device_id     text NOT NULL,             -- as the device names itself
    zone_id       text NOT NULL REFERENCES zone,
    asset_id      text,
    points        jsonb NOT NULL DEFAULT '[]',   -- which point is which channel here (gateway/devices.py)
    is_active     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (profile, device_id)
);
CREATE INDEX device_zone ON device (zone_id);

-- Profiles of the operator's own; one with the name of a shipped one stands for it.
CREATE TABLE decode_profile (
    name          text PRIMARY KEY,
    body          text NOT NULL,             -- TOML
    changed_at    timestamptz NOT NULL,
    changed_by    text NOT NULL
);

-- Messages that a profile read, with their bytes, so that a mended profile can read them again; kept for 90 days.
CREATE TABLE raw_message (
    raw_message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   timestamptz NOT NULL,
    topic         text NOT NULL,
    payload       bytea NOT NULL,
    profile       text NOT NULL,
    zones         text[] NOT NULL,
    readings      integer NOT NULL,          -- that it came to
    absent        integer NOT NULL,          -- values that the device itself calls none
    unused        text[] NOT NULL            -- points that nothing tells us how to take
);
CREATE INDEX raw_message_received ON raw_message (received_at);

-- What the last birth of a Sparkplug node or device said of its aliases.
CREATE TABLE sparkplug_birth (
    source        text PRIMARY KEY,          -- GROUP/NODE or GROUP/NODE/DEVICE
    aliases       jsonb NOT NULL,            -- alias → name
    received_at   timestamptz NOT NULL
);
