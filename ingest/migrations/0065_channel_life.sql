-- What a zone file no longer names keeps its past, and what it names later had none before: reports and the quality of
-- readings expect a channel on those days alone on which it belonged to its zone.
ALTER TABLE channel
    ADD COLUMN added_at   timestamptz,               -- null: with its zone
    ADD COLUMN retired_at timestamptz;               -- null: not retired; by hand and a gauge without a sensor never are

-- What went before this was heard until then. One by one: where readings are spread over machines, `channel` is not.
DO $$
DECLARE
    gone record;
BEGIN
    FOR gone IN SELECT channel_id, measured_at FROM channel JOIN latest USING (channel_id) WHERE NOT is_active AND by_hand_of IS NULL
    LOOP
        UPDATE channel SET retired_at = gone.measured_at WHERE channel_id = gone.channel_id;
    END LOOP;
END $$;
