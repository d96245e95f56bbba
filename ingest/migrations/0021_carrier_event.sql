-- What SMS routes told us over HTTP, as it came: stored before it is answered, taken by the sender later.
CREATE TABLE carrier_event (
    carrier_event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier       text NOT NULL,
    key           text NOT NULL,                     -- the same for the same event, so that a replay changes nothing
    kind          text NOT NULL CHECK (kind IN ('receipt', 'inbound', 'event')),
    body          text NOT NULL,
    received_at   timestamptz NOT NULL,
    taken_at      timestamptz,
    error         text,                              -- why nobody understood it
    UNIQUE (carrier, key)
);
CREATE INDEX carrier_event_new ON carrier_event (carrier, carrier_event_id) WHERE taken_at IS NULL;

-- Requests at a route's door that were refused, by day and reason.
CREATE TABLE carrier_refusal (
    carrier       text NOT NULL,
    on_day        date NOT NULL,
    reason        text NOT NULL,
    number        bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (carrier, on_day, reason)
);

-- What was put into the outbox of Gammu's daemon, and what of its story has been told.
CREATE TABLE gammu_handover (
    message_id    integer PRIMARY KEY,               -- the daemon's own number, the same in outbox and sentitems
    ref           uuid NOT NULL,
    carrier       text NOT NULL,
    phone         text NOT NULL,
    urgency       smallint NOT NULL,
    submitted_at  timestamptz NOT NULL,
    valid_until   timestamptz NOT NULL,
    told          text NOT NULL DEFAULT '',
    maybe_twice   boolean NOT NULL DEFAULT false     -- the daemon had it, let it lie and has it again
);
CREATE INDEX gammu_handover_ref ON gammu_handover (ref);
CREATE INDEX gammu_handover_recent ON gammu_handover (carrier, submitted_at);
