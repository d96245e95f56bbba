-- channel_ids
-- The ids of all active channels.
SELECT channel_id, zone_id, asset_id, name FROM channel WHERE is_active;

-- zone_digest
-- One word for all that the registry knows of a zone; null when it is not there.
SELECT md5(concat_ws('|', (to_jsonb(z) - ARRAY['imported_at', 'version', 'edited_version', 'filed_version', 'edited_by', 'edited_at'])::text,
    (SELECT string_agg(g.gateway_id || g.is_active, ',' ORDER BY g.gateway_id) FROM gateway g WHERE g.zone_id = z.zone_id),
    (SELECT string_agg(to_jsonb(a)::text, ',' ORDER BY a.asset_id) FROM asset a WHERE a.zone_id = z.zone_id),
    (SELECT string_agg(to_jsonb(c)::text, ',' ORDER BY c.channel_id) FROM channel c WHERE c.zone_id = z.zone_id),
    (SELECT string_agg(to_jsonb(p)::text, ',' ORDER BY p.contact_id) FROM contact p WHERE p.zone_id = z.zone_id),
    (SELECT string_agg(to_jsonb(d)::text, ',' ORDER BY d.profile, d.device_id) FROM device d
     WHERE d.zone_id = z.zone_id)))
FROM zone z WHERE z.zone_id = %(zone)s;

-- upsert_zone
INSERT INTO zone (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf_per_20_l,
                  women, men, members_counted_in)
VALUES (%(zone)s, %(name)s, %(commune)s, %(latitude)s, %(longitude)s, %(altitude_m)s, %(is_fictional)s, %(people)s,
        %(counted_in)s, %(gnf_per_20_l)s, %(women)s, %(men)s, %(members_counted_in)s)
ON CONFLICT (zone_id) DO UPDATE SET
    name = EXCLUDED.name, commune = EXCLUDED.commune, latitude = EXCLUDED.latitude, longitude = EXCLUDED.longitude,
    altitude_m = EXCLUDED.altitude_m, is_fictional = EXCLUDED.is_fictional, people = EXCLUDED.people,
    counted_in = EXCLUDED.counted_in, gnf_per_20_l = EXCLUDED.gnf_per_20_l,
    women = EXCLUDED.women, men = EXCLUDED.men, members_counted_in = EXCLUDED.members_counted_in, imported_at = now();

-- upsert_gateway
-- A gateway that moves to another zone takes its id along.
INSERT INTO gateway (gateway_id, zone_id) VALUES (%(gateway)s, %(zone)s)
ON CONFLICT (gateway_id) DO UPDATE SET zone_id = EXCLUDED.zone_id, is_active = true;

-- retire_gateways
-- What one still holds it may send.
UPDATE gateway SET is_active = false WHERE zone_id = %(zone)s;

-- retire_assets
UPDATE asset SET is_active = false WHERE zone_id = %(zone)s;

-- retire_channels
UPDATE channel SET is_active = false WHERE zone_id = %(zone)s AND is_active RETURNING channel_id;

-- renumber
-- Who has another number is the same person still, in the middle of an alert too: the only one of a name and a role whose
-- number the file no longer has, where it has one of them whose number this zone never had.
WITH file AS (
    SELECT * FROM unnest(%(names)s::text[], %(roles)s::text[], %(phones)s::text[]) AS one (name, role, phone)
), new AS (
    SELECT name, role, min(phone) AS phone FROM file
    WHERE NOT EXISTS (SELECT FROM contact c WHERE c.zone_id = %(zone)s AND c.phone = file.phone)
    GROUP BY name, role HAVING count(*) = 1
), gone AS (
    SELECT name, role, min(contact_id) AS contact_id FROM contact
    WHERE zone_id = %(zone)s AND is_active AND phone <> ALL(%(phones)s)
    GROUP BY name, role HAVING count(*) = 1)
UPDATE contact c SET phone = new.phone FROM new JOIN gone USING (name, role) WHERE c.contact_id = gone.contact_id;

-- retire_contacts
UPDATE contact SET is_active = false WHERE zone_id = %(zone)s;

-- upsert_asset
INSERT INTO asset (zone_id, asset_id, kind, interval_s, rating)
VALUES (%(zone)s, %(asset)s, %(kind)s, %(interval_s)s, %(rating)s::jsonb)
ON CONFLICT (zone_id, asset_id) DO UPDATE SET
    kind = EXCLUDED.kind, interval_s = EXCLUDED.interval_s, rating = EXCLUDED.rating, is_active = true;

-- upsert_channel
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum, wraps_at, most_per_h)
VALUES (%(zone)s, %(asset)s, %(name)s, %(unit)s, %(is_counter)s, %(minimum)s, %(maximum)s, %(wraps_at)s, %(most_per_h)s)
ON CONFLICT (zone_id, asset_id, name) DO UPDATE SET
    unit = EXCLUDED.unit, is_counter = EXCLUDED.is_counter, minimum = EXCLUDED.minimum,
    maximum = EXCLUDED.maximum, wraps_at = EXCLUDED.wraps_at, most_per_h = EXCLUDED.most_per_h, is_active = true;

-- went
-- Of the channels that were active, those that no longer are.
UPDATE channel SET retired_at = coalesce(%(now)s::timestamptz, now()) WHERE channel_id = ANY(%(were)s) AND NOT is_active;

-- came
-- To a zone that was there before, or back to it: what comes back was due all the time.
UPDATE channel SET added_at = CASE WHEN retired_at IS NULL THEN coalesce(%(now)s::timestamptz, now()) ELSE added_at END,
    retired_at = NULL
WHERE zone_id = %(zone)s AND is_active AND channel_id <> ALL(%(were)s);

-- meters_by_hand
-- Who reads a meter by eye reads the same one as its sensor.
UPDATE channel b SET wraps_at = s.wraps_at, most_per_h = s.most_per_h FROM channel s
WHERE s.channel_id = b.by_hand_of AND s.zone_id = %(zone)s AND s.is_active
  AND (b.wraps_at, b.most_per_h) IS DISTINCT FROM (s.wraps_at, s.most_per_h);

-- upsert_contact
INSERT INTO contact (zone_id, name, role, phone, language, tap, rank)
VALUES (%(zone)s, %(name)s, %(role)s, %(phone)s, %(language)s, %(tap)s, %(rank)s)
ON CONFLICT (zone_id, phone) DO UPDATE SET
    name = EXCLUDED.name, role = EXCLUDED.role, language = EXCLUDED.language, tap = EXCLUDED.tap,
    rank = EXCLUDED.rank, is_active = true;

-- retire_devices
UPDATE device SET is_active = false WHERE zone_id = %(zone)s;

-- upsert_device
-- A device that moves to another zone takes its id along.
INSERT INTO device (profile, device_id, zone_id, asset_id, points)
VALUES (%(profile)s, %(device)s, %(zone)s, %(asset)s, %(points)s::jsonb)
ON CONFLICT (profile, device_id) DO UPDATE SET
    zone_id = EXCLUDED.zone_id, asset_id = EXCLUDED.asset_id, points = EXCLUDED.points, is_active = true;

-- zone
SELECT z.name, z.commune, z.latitude, z.longitude, z.altitude_m, z.is_fictional, z.people, z.counted_in, z.gnf_per_20_l,
       z.women, z.men, z.members_counted_in, z.version,
       (SELECT min(g.gateway_id) FROM gateway g WHERE g.zone_id = z.zone_id AND g.is_active)
FROM zone z WHERE z.zone_id = %(zone)s;

-- zone_assets
SELECT asset_id, kind, interval_s, rating FROM asset WHERE zone_id = %(zone)s AND is_active;

-- zone_channels
SELECT asset_id, name, wraps_at FROM channel WHERE zone_id = %(zone)s AND is_active;

-- zone_contacts
SELECT name, role, phone, language, tap FROM contact WHERE zone_id = %(zone)s AND is_active ORDER BY rank, contact_id;

-- zone_devices
SELECT profile, device_id, asset_id, points FROM device WHERE zone_id = %(zone)s AND is_active
ORDER BY profile, device_id;

-- lock_zones
-- Whoever stores zones does so alone; who only looks is not held up.
LOCK TABLE zone IN SHARE ROW EXCLUSIVE MODE;

-- known
SELECT version, edited_version, filed_version, edited_by, edited_at FROM zone WHERE zone_id = %(zone)s;

-- claimed
-- Gateways and devices of these names that stand in other zones: what, its name, the zone.
SELECT 'gateway.id', gateway_id, zone_id FROM gateway
WHERE is_active AND gateway_id = ANY(%(gateways)s) AND zone_id <> %(zone)s
UNION ALL
SELECT 'devices', profile || ' ' || device_id, zone_id FROM device
WHERE is_active AND profile || ' ' || device_id = ANY(%(devices)s) AND zone_id <> %(zone)s;

-- mark_edited
UPDATE zone SET version = version + (NOT %(is_new)s)::integer, edited_version = version + (NOT %(is_new)s)::integer,
    edited_by = %(who)s, edited_at = %(now)s
WHERE zone_id = %(zone)s RETURNING version;

-- mark_filed
UPDATE zone SET version = version + (NOT %(is_new)s)::integer, filed_version = version + (NOT %(is_new)s)::integer
WHERE zone_id = %(zone)s RETURNING version;

-- changes_since
-- What was written about a zone after it had this number.
SELECT at, who, what, subject, before, after - 'version' FROM audit_log
WHERE zone_id = %(zone)s AND (after ->> 'version')::integer > %(version)s ORDER BY audit_id;
