-- Whom an alert is given to, why it came, and pictures of what was done. What nobody has closed has no cause.
ALTER TABLE alert
    ADD COLUMN assigned_to    text,
    ADD COLUMN cause          text,                  -- of alerts.closing.Cause
    ADD COLUMN closed_at      timestamptz,           -- platform time at which somebody named the cause
    ADD COLUMN closed_by      text,
    ADD COLUMN ended_by_hand  boolean NOT NULL DEFAULT false,  -- no reading showed its end
    ADD CONSTRAINT alert_closed CHECK (num_nonnulls(cause, closed_at, closed_by) IN (0, 3)) NOT VALID;
ALTER TABLE alert VALIDATE CONSTRAINT alert_closed;
CREATE INDEX alert_without_cause ON alert (opened_at DESC)
    WHERE state = 'resolved' AND closed_at IS NULL AND explained_by IS NULL AND NOT is_late AND severity > 1;

CREATE TABLE alert_photo (
    photo_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id      bigint NOT NULL REFERENCES alert,
    added_at      timestamptz NOT NULL,              -- platform time
    added_by      text NOT NULL,
    shows         text NOT NULL,                     -- in words, for those who do not see it
    width         smallint NOT NULL,
    height        smallint NOT NULL,
    jpeg          bytea NOT NULL,                    -- made by us out of pixels: no position, no device, no name
    sha256        bytea NOT NULL,
    UNIQUE (alert_id, sha256)
);

-- Whether an alert was right: closed as a false alarm, else what people said of it last; null while nobody said anything.
CREATE VIEW alert_said AS
SELECT a.alert_id, CASE WHEN a.cause = 'false_alarm' THEN false ELSE (
    SELECT e.kind <> 'false_alarm_claimed' FROM alert_event e
    WHERE e.alert_id = a.alert_id AND e.kind IN ('confirmed', 'repair_claimed', 'false_alarm_claimed')
    ORDER BY e.at DESC, e.event_id DESC LIMIT 1
) END AS is_true
FROM alert a;

-- Where an alert lies: what is still to be done about it.
CREATE FUNCTION alert_pile(a alert, now timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN a.state <> 'resolved' THEN CASE WHEN a.shelved_until > now THEN 'shelved' ELSE a.state END
                WHEN a.closed_at IS NOT NULL THEN 'closed'
                WHEN a.is_late OR a.explained_by IS NOT NULL OR a.severity = 1 THEN 'quiet' ELSE 'ended' END
$$;
