-- zones
INSERT INTO zone
    (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf_per_20_l)
SELECT 'bench-' || n, 'bench', 'bench', 11, -12, 1000, true, 1000, 2026, 100
FROM generate_series(1, %(zones)s) n;

-- gateways
INSERT INTO gateway (gateway_id, zone_id) SELECT 'gw-' || zone_id, zone_id FROM zone;

-- assets
INSERT INTO asset (zone_id, asset_id, kind, interval_s) SELECT zone_id, %(asset)s, %(asset)s, %(interval_s)s FROM zone
ON CONFLICT DO NOTHING;

-- channels
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)
SELECT zone_id, %(asset)s, %(name)s, %(unit)s, %(is_counter)s, %(minimum)s, %(maximum)s FROM zone;

-- expected_table
-- What must be stored in the end, no more and no less.
CREATE TABLE expected (LIKE reading);

-- copy_expected
COPY expected FROM STDIN (FORMAT binary);

-- ensure_week
SELECT ensure_reading_partition(to_timestamp(%(at_s)s));

-- empty
TRUNCATE reading, latest, gateway_boot, gateway_day, reading_conflict, reading_note, reading_hour, reading_day, set_aside;

-- settle
CHECKPOINT;

-- tally
-- How many readings are as expected, and how many there are.
SELECT (SELECT count(*) FROM expected e JOIN reading r USING (channel_id, measured_at) WHERE r.value = e.value),
       (SELECT count(*) FROM reading);
