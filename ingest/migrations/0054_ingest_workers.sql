-- Several workers of ingest. The first hears everything; each of the others claims zones, and the first passes these
-- over. Who writes a zone's readings takes the turn of the zone's worker: the one that claims it, else the first.
CREATE TABLE zone_claim (
    zone_id       text PRIMARY KEY REFERENCES zone,
    worker        integer NOT NULL CHECK (worker > 1),
    claimed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_leaving    boolean NOT NULL DEFAULT false,  -- the worker gives it back as soon as the first hears it again
    is_passed     boolean NOT NULL DEFAULT false   -- the first passes it over, or soon will
);

ALTER TABLE writer_turn ADD COLUMN worker integer PRIMARY KEY DEFAULT 1;

-- Take the turns of these workers until the end of the transaction; whether somebody else had one of them since `me`
-- had. Who claims a zone or gives it back takes its turns under a name of nobody, so that all read anew whose it is.
CREATE FUNCTION take_writer_turns(me text, workers integer[]) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ndiyan writer')::int8 + w - 1) FROM unnest(workers) AS w;
    UPDATE writer_turn SET holder = me WHERE worker = ANY(workers) AND holder <> me;
    RETURN FOUND;
END $$;

-- For the version before, which may still run.
CREATE OR REPLACE FUNCTION take_writer_turn(me text) RETURNS boolean LANGUAGE sql AS $$
    SELECT take_writer_turns(me, (SELECT array_agg(worker ORDER BY worker) FROM writer_turn));
$$;
