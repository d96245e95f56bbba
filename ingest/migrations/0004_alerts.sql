-- Alerts: what people act on. Each change leaves a row in `alert_event`; thresholds and evidence stay with the alert.

CREATE SEQUENCE alert_code;

CREATE TABLE alert (
    alert_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code              text NOT NULL UNIQUE DEFAULT 'A' || nextval('alert_code'),  -- short, spoken and typed: 'A37'
    zone_id           text NOT NULL REFERENCES zone,
    fault             text NOT NULL,                 -- a Fault, or a State that is told calmly (tower_empty)
    asset_id          text NOT NULL,
    severity          smallint NOT NULL CHECK (severity BETWEEN 1 AND 3),
    state             text NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    first_evidence_at timestamptz NOT NULL,          -- measured time
    last_evidence_at  timestamptz NOT NULL,          -- measured time
    opened_at         timestamptz NOT NULL,          -- platform time
    acknowledged_at   timestamptz,
    acknowledged_by   text,
    cleared_at        timestamptz,                   -- measured time at which it was seen to be over
    resolved_at       timestamptz,
    is_late           boolean NOT NULL DEFAULT false, -- found in a backlog, after it was over
    confidence        real NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    evidence          jsonb NOT NULL,
    explained_by      bigint REFERENCES alert,
    UNIQUE (zone_id, fault, asset_id, first_evidence_at)
);
CREATE UNIQUE INDEX alert_one_live ON alert (zone_id, fault, asset_id) WHERE state <> 'resolved';
CREATE INDEX alert_opened ON alert (opened_at DESC);
CREATE INDEX alert_cleared ON alert (zone_id, fault, asset_id, cleared_at DESC);

CREATE TABLE alert_event (
    event_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id      bigint NOT NULL REFERENCES alert,
    at            timestamptz NOT NULL,              -- platform time
    kind          text NOT NULL,                     -- opened, told, delivered, reply, acknowledged, repair_claimed, resolved …
    who           text NOT NULL,                     -- a person's name and role, or 'ndiyan'
    detail        jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_event_story ON alert_event (alert_id, event_id);

-- Due work is rows; APScheduler only wakes whoever looks at them.
CREATE TABLE job (
    name          text NOT NULL,
    zone_id       text NOT NULL REFERENCES zone,
    next_due_at   timestamptz NOT NULL,              -- platform time
    watermark_at  timestamptz,                       -- measured time up to which this zone has been judged
    last_ok_at    timestamptz,
    last_error    text,
    attempts      integer NOT NULL DEFAULT 0,
    PRIMARY KEY (name, zone_id)
);
