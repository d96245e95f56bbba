-- What the demo's page "break something" asks of the simulator, and what became of it. Empty outside the demo.

CREATE TABLE demo_fault (
    demo_fault_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id       text NOT NULL REFERENCES zone,
    fault         text NOT NULL,
    size          text NOT NULL DEFAULT 'L',
    asked_by      text NOT NULL,
    asked_at      timestamptz NOT NULL,              -- platform time, like all below
    starts_at     timestamptz NOT NULL,
    started_at    timestamptz,                       -- the simulator has begun it
    repair_at     timestamptz,                       -- the simulated repairer is due
    repaired_at   timestamptz
);
