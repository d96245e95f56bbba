-- What people changed of a rule, and what a change was tried on before. The last row of a parameter and zone counts.
CREATE TABLE rule_setting (
    rule_setting_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parameter     text NOT NULL,
    zone_id       text REFERENCES zone,          -- null: all zones that have no value of their own
    value         double precision,              -- in the parameter's unit; null: as it was before anybody changed it
    set_by        text NOT NULL,
    set_at        timestamptz NOT NULL,          -- platform time
    why           text NOT NULL
);
CREATE INDEX rule_setting_last ON rule_setting (parameter, zone_id, rule_setting_id DESC);

CREATE TABLE rule_trial (
    rule_trial_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parameter     text NOT NULL,
    zone_id       text REFERENCES zone,          -- null: all zones
    value         double precision NOT NULL,
    start_at      timestamptz NOT NULL,          -- measured time that is judged: [start_at, end_at)
    end_at        timestamptz NOT NULL,
    asked_by      text NOT NULL,
    asked_at      timestamptz NOT NULL,          -- platform time
    done          integer NOT NULL DEFAULT 0,    -- zones judged
    total         integer NOT NULL DEFAULT 0,
    beat_at       timestamptz NOT NULL DEFAULT now(), -- wall time: a trial that stands still was interrupted
    result        jsonb,
    error         text
);
