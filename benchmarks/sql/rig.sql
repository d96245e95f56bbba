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

-- ensure_week
SELECT ensure_reading_partition(to_timestamp(%(at_s)s));

-- empty
TRUNCATE reading, latest, gateway_boot, gateway_day, reading_conflict, reading_note, reading_hour, reading_day, set_aside;

-- settle
CHECKPOINT;

-- in_memory
SET work_mem = '1GB';

-- stored
-- Of each channel what is stored of a time: when [µs since 2000] and the values, each as eight bytes behind the other.
SELECT channel_id, string_agg(timestamptz_send(measured_at), ''), string_agg(float8send(value), '')
FROM reading
WHERE measured_at >= %(from)s::timestamptz AND measured_at < %(to)s::timestamptz
GROUP BY channel_id;
