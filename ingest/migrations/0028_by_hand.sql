-- Readings that people made and told by SMS. A channel that is read by hand stands beside the one that a sensor feeds and
-- never becomes it: the channel itself says "by hand" for ever, and no sensor looks alive because somebody went to see.
-- It is not active: no gateway may feed it, no detector sees it.
ALTER TABLE channel ADD COLUMN by_hand_of integer UNIQUE REFERENCES channel;

-- The account of these readings: no gateway sent them, so they stand in no gateway's.
CREATE TABLE hand_reading (
    hand_reading_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sms_in_id     bigint NOT NULL UNIQUE REFERENCES sms_in,  -- one SMS, one reading
    channel_id    integer NOT NULL REFERENCES channel,
    measured_at   timestamptz NOT NULL,
    value         double precision NOT NULL,
    contact_id    integer NOT NULL REFERENCES contact,
    withdrawn_at  timestamptz,                       -- its author sent another number; the reading is flagged bad
    UNIQUE (channel_id, measured_at)
);
