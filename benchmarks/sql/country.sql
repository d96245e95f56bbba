-- A country's registry from a few model zones: zone n is of the kind of model (n - 1) modulo `models`, from 1.

-- zones
INSERT INTO zone (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf_per_20_l)
SELECT 'zone-' || n, m.name || ' ' || n, m.commune, m.latitude, m.longitude, m.altitude_m, true, m.people, m.counted_in,
       m.gnf_per_20_l
FROM generate_series(%(models)s + 1, %(zones)s) n JOIN zone m ON m.zone_id = 'zone-' || ((n - 1) %% %(models)s + 1);

-- gateways
INSERT INTO gateway (gateway_id, zone_id)
SELECT 'gw-' || n, 'zone-' || n FROM generate_series(%(models)s + 1, %(zones)s) n;

-- assets
INSERT INTO asset (zone_id, asset_id, kind, interval_s, rating)
SELECT 'zone-' || n, m.asset_id, m.kind, m.interval_s, m.rating
FROM generate_series(%(models)s + 1, %(zones)s) n JOIN asset m ON m.zone_id = 'zone-' || ((n - 1) %% %(models)s + 1);

-- channels
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum, wraps_at, most_per_h)
SELECT 'zone-' || n, m.asset_id, m.name, m.unit, m.is_counter, m.minimum, m.maximum, m.wraps_at, m.most_per_h
FROM generate_series(%(models)s + 1, %(zones)s) n JOIN channel m ON m.zone_id = 'zone-' || ((n - 1) %% %(models)s + 1)
WHERE m.by_hand_of IS NULL;

-- contacts
INSERT INTO contact (zone_id, name, role, phone, language, rank)
SELECT 'zone-' || n, m.name, m.role, '+2246' || lpad((n * 10 + m.rank)::text, 8, '0'), m.language, m.rank
FROM generate_series(%(models)s + 1, %(zones)s) n JOIN contact m ON m.zone_id = 'zone-' || ((n - 1) %% %(models)s + 1);

-- past_days
-- What was learnt of the models' past days holds for their relatives.
INSERT INTO zone_day (zone_id, day, features)
SELECT 'zone-' || n, m.day, m.features
FROM generate_series(%(models)s + 1, %(zones)s) n JOIN zone_day m ON m.zone_id = 'zone-' || ((n - 1) %% %(models)s + 1);

-- judged_until
-- All zones but those that come back after a day have been judged until now.
INSERT INTO job (name, zone_id, next_due_at, watermark_at)
SELECT 'judge', 'zone-' || n, %(next)s, %(watermark)s FROM generate_series(1, %(live)s) n
ON CONFLICT (name, zone_id) DO UPDATE SET next_due_at = EXCLUDED.next_due_at, watermark_at = EXCLUDED.watermark_at;

-- not_yet_judged
-- Those that are away are due when their readings have come.
INSERT INTO job (name, zone_id, next_due_at)
SELECT 'judge', 'zone-' || n, %(next)s FROM generate_series(%(live)s + 1, %(zones)s) n;

-- away_are_due
UPDATE job SET next_due_at = %(at)s WHERE name = 'judge' AND watermark_at IS NULL;

-- settle
ANALYZE;

-- checkpoint
CHECKPOINT;

-- counts
-- Readings, rows by the hour, and alerts that were opened.
SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM reading_hour), (SELECT count(*) FROM alert);

-- behind
-- Zones whose newest reading has not been judged.
SELECT count(*) FROM job j JOIN (
    SELECT zone_id, max(measured_at) AS at FROM latest JOIN channel USING (channel_id) GROUP BY zone_id) l USING (zone_id)
WHERE j.name = 'judge' AND j.watermark_at IS DISTINCT FROM l.at;

-- sizes
-- Bytes of a row of each table that grows with time, indexes included.
SELECT 'reading', (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'reading'::regclass)::float8
       / (SELECT count(*) FROM reading)
UNION ALL SELECT 'reading_hour', pg_total_relation_size('reading_hour')::float8 / greatest(1, (SELECT count(*) FROM reading_hour))
UNION ALL SELECT 'reading_day', pg_total_relation_size('reading_day')::float8 / greatest(1, (SELECT count(*) FROM reading_day))
UNION ALL SELECT 'zone_day', pg_total_relation_size('zone_day')::float8 / greatest(1, (SELECT count(*) FROM zone_day))
UNION ALL SELECT 'gateway_day', pg_total_relation_size('gateway_day')::float8 / greatest(1, (SELECT count(*) FROM gateway_day));
