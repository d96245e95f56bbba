-- Notifications: one attempt to tell one person one thing, written in the alert's own transaction (outbox).

CREATE TABLE notification (
    notification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref           uuid NOT NULL UNIQUE,              -- the carrier's reference: makes "at least once" once
    alert_id      bigint REFERENCES alert,           -- null for an answer that belongs to no alert
    zone_id       text REFERENCES zone,
    contact_id    integer REFERENCES contact,
    phone         text NOT NULL,
    kind          text NOT NULL,                     -- opened, resolved, reply
    step          text NOT NULL,                     -- which step of the ladder, e.g. 'exploitant'
    reason        text NOT NULL,                     -- why this person hears this now (routing's Why)
    language      text NOT NULL,
    text          text NOT NULL,
    segments      smallint NOT NULL,
    carrier       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('queued', 'submitting', 'uncertain', 'accepted', 'delivered',
                                                 'undelivered', 'failed', 'superseded', 'expired')),
    attempts      integer NOT NULL DEFAULT 0,
    provider_id   text,
    error         text,
    possible_duplicate boolean NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL,
    next_try_at   timestamptz NOT NULL,
    valid_until   timestamptz NOT NULL,
    submitted_at  timestamptz,
    accepted_at   timestamptz,
    delivered_at  timestamptz,
    UNIQUE (alert_id, kind, step, contact_id)
);
CREATE INDEX notification_due ON notification (next_try_at) WHERE state IN ('queued', 'submitting', 'uncertain');
CREATE INDEX notification_created ON notification (created_at DESC);

-- Inbound SMS, stored before they are interpreted.
CREATE TABLE sms_in (
    sms_in_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier       text NOT NULL,
    provider_id   text NOT NULL,
    phone         text NOT NULL,
    text          text NOT NULL,
    received_at   timestamptz NOT NULL,
    contact_id    integer REFERENCES contact,
    alert_id      bigint REFERENCES alert,
    intention     text,
    is_sure       boolean,
    handled_at    timestamptz,
    UNIQUE (carrier, provider_id)
);
CREATE INDEX sms_in_unhandled ON sms_in (sms_in_id) WHERE handled_at IS NULL;

-- The on-screen phone is a network of its own: what it holds is what a handset would.
CREATE TABLE phone_inbox (
    ref           uuid PRIMARY KEY,                  -- ours: a repeat is refused, so hand-over happens once
    phone         text NOT NULL,
    text          text NOT NULL,
    sent_at       timestamptz NOT NULL,
    delivered_at  timestamptz,                       -- when the handset showed it
    receipt_taken boolean NOT NULL DEFAULT false,
    read_at       timestamptz
);
CREATE INDEX phone_inbox_phone ON phone_inbox (phone, sent_at);

CREATE TABLE phone_reply (
    phone_reply_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone         text NOT NULL,
    text          text NOT NULL,
    sent_at       timestamptz NOT NULL,
    taken         boolean NOT NULL DEFAULT false     -- the carrier handed it over and we committed it
);
