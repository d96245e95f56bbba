-- What comes back after people were told of its end is told again, in a round of its own. While the previous version runs
-- it climbs every ladder as before, in whatever round it stands, and does not wait with an end.
ALTER TABLE ladder
    ADD COLUMN round smallint NOT NULL DEFAULT 1,    -- how often it was told from the first step on
    ADD COLUMN ends_at timestamptz;                  -- over, and to be told so then, if it has not come back
