-- An alert that comes back soon is the same one, counted; one that people know about can be put aside for a while.
ALTER TABLE alert
    ADD COLUMN times          integer NOT NULL DEFAULT 1 CHECK (times > 0),  -- how often it came
    ADD COLUMN shelved_until  timestamptz,            -- nobody is told of it before; platform time
    ADD COLUMN shelved_by     text,
    ADD COLUMN shelved_why    text,
    ADD CONSTRAINT alert_shelf CHECK ((shelved_until IS NULL) = (shelved_why IS NULL));
