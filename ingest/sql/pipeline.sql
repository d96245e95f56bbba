-- gateways
SELECT gateway_id, zone_id FROM gateway;

-- channels
SELECT zone_id, asset_id, name, channel_id, unit, minimum, maximum FROM channel WHERE is_active;

-- insert_set_aside
-- A redelivery of the same bytes is set aside once.
INSERT INTO set_aside (received_at, topic, zone_id, gateway_id, payload, reason, detail, fingerprint)
VALUES (%(received)s, %(topic)s, nullif(%(zone)s, ''), nullif(%(gateway)s, ''), %(payload)s, %(reason)s, %(detail)s,
        %(fingerprint)s)
ON CONFLICT (fingerprint) DO NOTHING;

-- upsert_boots
-- In the order of the key, so that two writers cannot lock each other out.
INSERT INTO gateway_boot (zone_id, gateway_id, boot, first_received_at, last_received_at, seq)
SELECT zone, gateway, boot, %(received)s, %(received)s, seq::int8multirange
FROM unnest(%(zone)s::text[], %(gateway)s::text[], %(boot)s::text[], %(seq)s::text[]) AS t (zone, gateway, boot, seq)
ORDER BY zone, gateway, boot
ON CONFLICT (zone_id, gateway_id, boot) DO UPDATE SET
    last_received_at = greatest(gateway_boot.last_received_at, EXCLUDED.last_received_at),
    seq = gateway_boot.seq + EXCLUDED.seq;

-- update_status
-- The newest status wins, whatever the order of arrival.
UPDATE gateway SET status = %(state)s, status_at = %(at)s, software = %(software)s, clock_source = %(clock)s
WHERE gateway_id = %(gateway)s AND (status_at IS NULL OR status_at <= %(at)s);

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;
