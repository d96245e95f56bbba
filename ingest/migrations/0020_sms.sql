-- An SMS over several routes: what was tried, what came back, and what nobody could place. While the previous version
-- runs it writes `carrier` itself and none of the rest.
ALTER TABLE notification DROP CONSTRAINT notification_state_check;
ALTER TABLE notification
    ADD CONSTRAINT notification_state_check CHECK (state IN (
        'held',         -- waits for the morning or for a bundle
        'queued', 'submitting',
        'uncertain',    -- nobody knows whether it left
        'accepted',     -- a route has it
        'delivered', 'undelivered', 'no_receipt',
        'expired', 'failed',
        'superseded',   -- no longer worth a phone's tone
        'abandoned'     -- may have left and is never sent twice
    )) NOT VALID,
    ALTER COLUMN carrier SET DEFAULT '',                   -- none yet: the route is chosen when it leaves
    ADD COLUMN urgency smallint NOT NULL DEFAULT 3 CHECK (urgency BETWEEN 1 AND 4),
    ADD COLUMN route smallint NOT NULL DEFAULT 0,          -- where in the order of routes to begin
    ADD COLUMN settled_by text;                            -- how an uncertain one was settled: receipt, carrier, nobody
ALTER TABLE notification VALIDATE CONSTRAINT notification_state_check;
CREATE INDEX notification_queued ON notification (urgency DESC, notification_id) WHERE state = 'queued';
CREATE INDEX notification_under_way ON notification (submitted_at) WHERE state IN ('submitting', 'uncertain');
CREATE INDEX notification_without_receipt ON notification (accepted_at) WHERE state = 'accepted';

-- Each hand-over: committed before the first byte, its outcome after.
CREATE TABLE sms_attempt (
    sms_attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id bigint NOT NULL REFERENCES notification,
    carrier       text NOT NULL,
    began_at      timestamptz NOT NULL,
    ended_at      timestamptz,
    outcome       text CHECK (outcome IN ('accepted', 'refused', 'refused_for_good', 'throttled', 'uncertain')),
    provider_id   text,
    detail        text
);
CREATE INDEX sms_attempt_of ON sms_attempt (notification_id);
CREATE INDEX sms_attempt_provider ON sms_attempt (carrier, provider_id) WHERE provider_id IS NOT NULL;

-- Receipts as they came. One that nobody can place yet may belong to an SMS whose hand-over was not answered.
CREATE TABLE sms_receipt (
    sms_receipt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    carrier       text NOT NULL,
    provider_ids  text[] NOT NULL,
    fate          text NOT NULL,
    at            timestamptz NOT NULL,
    phone         text,
    text_head     text NOT NULL,
    raw           text NOT NULL,
    received_at   timestamptz NOT NULL,
    notification_id bigint REFERENCES notification,
    UNIQUE NULLS NOT DISTINCT (carrier, provider_ids, fate, at, phone)
);
CREATE INDEX sms_receipt_unplaced ON sms_receipt (carrier, received_at) WHERE notification_id IS NULL;
CREATE INDEX sms_receipt_of ON sms_receipt (notification_id);

-- A call that nobody answered is an inbound message without a text.
ALTER TABLE sms_in ADD COLUMN kind text NOT NULL DEFAULT 'sms' CHECK (kind IN ('sms', 'call'));

-- The on-screen phone can ring us, be out of reach, slow or switched off.
ALTER TABLE phone_reply ALTER COLUMN text DROP NOT NULL;

-- How each route was when it was last asked.
CREATE TABLE carrier_state (
    carrier       text PRIMARY KEY,
    is_up         boolean NOT NULL,
    since         timestamptz NOT NULL,                -- platform time at which it came up or went down
    detail        text NOT NULL,
    balance       double precision,
    balance_unit  text NOT NULL DEFAULT '',
    expires_at    timestamptz,
    asked_at      timestamptz NOT NULL
);
