-- gateways
SELECT gateway_id, zone_id FROM gateway;

-- channels
SELECT zone_id, asset_id, name, channel_id, unit, minimum, maximum FROM channel WHERE is_active;

-- insert_set_aside
-- A redelivery of a measurement that is known again is set aside once. Returns what was not there yet.
INSERT INTO set_aside (received_at, topic, zone_id, gateway_id, payload, reason, detail, fingerprint)
SELECT received_at, topic, nullif(zone_id, ''), nullif(gateway_id, ''), payload, reason, detail, fingerprint
FROM unnest(%(received)s, %(topic)s, %(zone)s, %(gateway)s, %(payload)b::bytea[], %(reason)s, %(detail)s,
            %(fingerprint)b::bytea[])
    WITH ORDINALITY
    AS t (received_at, topic, zone_id, gateway_id, payload, reason, detail, fingerprint, place)
ORDER BY place
ON CONFLICT (fingerprint) DO NOTHING
RETURNING fingerprint;

-- registry_state
-- Changes whenever zones are imported or claimed or profiles written; the sum also when what began earlier ends later.
SELECT count(*), max(imported_at), sum(extract(epoch FROM imported_at)),
    (SELECT (count(*), max(changed_at), sum(extract(epoch FROM changed_at)))::text FROM decode_profile),
    (SELECT (count(*), sum(extract(epoch FROM claimed_at)))::text FROM zone_claim)
FROM zone;

-- devices
-- A zone has one gateway of ours, in whose account its devices stand.
SELECT d.profile, d.device_id, d.zone_id, g.gateway_id, d.asset_id, d.points
FROM device d JOIN LATERAL (
    SELECT gateway_id FROM gateway g WHERE g.zone_id = d.zone_id AND g.is_active ORDER BY gateway_id LIMIT 1) g ON true
WHERE d.is_active;

-- births
-- Those of registered devices: until 0.1 strangers were kept too. One that no message of ours can hold is not read.
SELECT source, aliases FROM sparkplug_birth
WHERE source IN (SELECT device_id FROM device WHERE is_active)
  AND octet_length(aliases::text) <= %(bytes)s AND (SELECT count(*) FROM jsonb_object_keys(aliases)) <= %(most)s;

-- keep_birth
INSERT INTO sparkplug_birth (source, aliases, received_at) VALUES (%(source)s, %(aliases)s::jsonb, %(at)s)
ON CONFLICT (source) DO UPDATE SET aliases = EXCLUDED.aliases, received_at = EXCLUDED.received_at
WHERE sparkplug_birth.received_at <= EXCLUDED.received_at;

-- end_birth
UPDATE sparkplug_birth SET aliases = %(aliases)s::jsonb, received_at = %(at)s
WHERE source = %(source)s AND received_at <= %(at)s;

-- keep_raw
INSERT INTO raw_message (received_at, topic, payload, profile, zones, readings, absent, unused)
VALUES (%(at)s, %(topic)s, %(payload)s, %(profile)s, %(zones)s, %(readings)s, %(absent)s, %(unused)s);

-- note_clock
-- What the gateway's clock said of readings that were dated anew.
INSERT INTO reading_note (channel_id, measured_at, test, device_at)
SELECT channel_id, measured_at, 'clock', device_at
FROM unnest(%(channel)s, %(measured)s, %(device)s) AS t (channel_id, measured_at, device_at)
ON CONFLICT DO NOTHING;

-- update_status
-- The newest status wins, whatever the order of arrival. One that is retained comes again: it was told when it was told.
UPDATE gateway SET
    status = %(state)s, status_at = %(at)s, software = %(software)s, clock_source = %(clock)s,
    told_at = CASE WHEN %(told)s::jsonb IS NULL OR told = %(told)s::jsonb THEN told_at ELSE %(told_at)s END,
    told = coalesce(%(told)s::jsonb, told)
WHERE gateway_id = %(gateway)s AND (status_at IS NULL OR status_at <= %(at)s);

-- note_told_day
-- What a status tells of its day; the last one of a day says all of it.
INSERT INTO gateway_told_day (gateway_id, day, told_at, restarts, up_bytes, down_bytes)
SELECT gateway_id, (told_at AT TIME ZONE 'UTC')::date, told_at, (told ->> 'restarts')::int8, (told ->> 'up_bytes')::int8,
       (told ->> 'down_bytes')::int8
FROM gateway WHERE gateway_id = %(gateway)s AND told_at IS NOT NULL
ON CONFLICT (gateway_id, day) DO UPDATE SET
    told_at = EXCLUDED.told_at, restarts = EXCLUDED.restarts, up_bytes = EXCLUDED.up_bytes,
    down_bytes = EXCLUDED.down_bytes
WHERE gateway_told_day.told_at < EXCLUDED.told_at;

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;

-- told
SELECT detail FROM heartbeat WHERE service = %(service)s;

-- retire
-- A worker that is taken away is not waited for.
DELETE FROM heartbeat WHERE service = %(service)s;
