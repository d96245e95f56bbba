-- A broker that lost its store has forgotten who hears what. So a claim counts once its worker has heard itself through the
-- broker after the first had a new session there, and as long as the first has no other.
ALTER TABLE zone_claim
    ADD COLUMN doubted_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- whether its worker hears the zone: asked
    ADD COLUMN heard_at   timestamptz;                                     -- and answered, when it is later
