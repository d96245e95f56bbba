-- That a number asked to be forgotten is known without it: a zone file that still names the person must not bring them
-- back. What is kept is a hash under a key of this database alone (two random UUIDs: 244 bits).
ALTER TABLE forgotten
    ADD COLUMN number_hash bytea,                    -- unknown of who was forgotten before this
    ADD COLUMN again_at    timestamptz;              -- an import was told to take them in again
CREATE INDEX forgotten_number ON forgotten (number_hash) WHERE again_at IS NULL;

CREATE TABLE forgotten_key (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    key     bytea NOT NULL
);
INSERT INTO forgotten_key (key) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
