-- Programs that are told of alerts. What is told is an event of the alert's own story; who is told is a row of its own,
-- written in the same transaction, so that nothing is told that did not happen and nothing that happened is forgotten.

CREATE TABLE webhook (
    name          text PRIMARY KEY,                  -- as in the settings
    is_active     boolean NOT NULL                   -- declared in the settings of the service that runs now
);

CREATE TABLE webhook_delivery (
    webhook_delivery_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook       text NOT NULL REFERENCES webhook,
    event_id      bigint NOT NULL REFERENCES alert_event,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'given_up')),
    attempts      integer NOT NULL DEFAULT 0,
    next_try_at   timestamptz NOT NULL,              -- platform time
    status        integer,                           -- of the last answer
    error         text,                              -- why the last attempt failed
    delivered_at  timestamptz,
    UNIQUE (webhook, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (next_try_at) WHERE state = 'waiting';
CREATE INDEX webhook_delivery_event ON webhook_delivery (event_id);

CREATE FUNCTION tell_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_delivery (webhook, event_id, next_try_at)
    SELECT name, NEW.event_id, NEW.at FROM webhook WHERE is_active;
    RETURN NULL;
END $$;
CREATE TRIGGER alert_event_tells_webhooks AFTER INSERT ON alert_event
    FOR EACH ROW WHEN (NEW.kind IN ('opened', 'acknowledged', 'shelved', 'returned', 'resolved'))
    EXECUTE FUNCTION tell_webhooks();
