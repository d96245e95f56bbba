-- Weeks that have been over for 14 days are stored by column: a tenth of the space, and a channel's past in fewer pages.
-- Outages of days catch up before that; what comes later still goes in, more slowly (docs/databases.md). No reading is
-- ever thrown away: there is no retention policy. A server under the Apache licence has no columnstore and goes without.
DO $$
BEGIN
    IF current_setting('timescaledb.license') = 'timescale' THEN
        ALTER TABLE reading SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'channel_id',
                                 timescaledb.orderby = 'measured_at');
        CALL add_columnstore_policy('reading', after => INTERVAL '14 days');
    END IF;
END $$;

-- Readings that turn out to be spikes once the next one has come. One update each, with its key as constants: a join
-- would take every week's columns apart, and beyond 100,000 readings the server refuses.
CREATE FUNCTION flag_suspect(channels integer[], times timestamptz[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_custom_plan
SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0 AS $$
BEGIN
    FOR place IN 1 .. cardinality(channels) LOOP
        UPDATE reading SET flag = greatest(flag, 3)
        WHERE channel_id = channels[place] AND measured_at = times[place];
    END LOOP;
END $$;
