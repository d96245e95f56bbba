-- What the doctor asks; reads only.

-- zones
SELECT zone_id FROM zone ORDER BY zone_id;

-- zones_without_committee
SELECT z.zone_id FROM zone z
WHERE NOT EXISTS (SELECT 1 FROM contact c WHERE c.zone_id = z.zone_id AND c.is_active) ORDER BY z.zone_id;

-- newest_readings
-- When something measured last arrived, per zone.
SELECT z.zone_id, max(l.measured_at) FROM zone z
LEFT JOIN channel c ON c.zone_id = z.zone_id LEFT JOIN latest l ON l.channel_id = c.channel_id
GROUP BY z.zone_id ORDER BY z.zone_id;

-- heartbeats
SELECT service, beat_at, detail FROM heartbeat;
