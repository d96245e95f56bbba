-- gateways
SELECT gateway_id, zone_id FROM gateway;

-- channels
SELECT zone_id, asset_id, name, channel_id, unit, minimum, maximum FROM channel WHERE is_active;

-- insert_set_aside
-- A redelivery of the same bytes is set aside once. Returns what was not there yet.
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
-- Changes whenever zones are imported; the sum also when an import that began earlier ends later.
SELECT count(*), max(imported_at), sum(extract(epoch FROM imported_at)) FROM zone;

-- note
INSERT INTO reading_note (channel_id, measured_at, test)
SELECT channel_id, measured_at, %(test)s FROM unnest(%(channel)s, %(measured)s) AS t (channel_id, measured_at)
ON CONFLICT DO NOTHING;

-- note_clock
-- What the gateway's clock said of readings that were dated anew.
INSERT INTO reading_note (channel_id, measured_at, test, device_at)
SELECT channel_id, measured_at, 'clock', device_at
FROM unnest(%(channel)s, %(measured)s, %(device)s) AS t (channel_id, measured_at, device_at)
ON CONFLICT DO NOTHING;

-- update_status
-- The newest status wins, whatever the order of arrival.
UPDATE gateway SET status = %(state)s, status_at = %(at)s, software = %(software)s, clock_source = %(clock)s
WHERE gateway_id = %(gateway)s AND (status_at IS NULL OR status_at <= %(at)s);

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;
