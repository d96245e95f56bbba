-- What the demo asks of its database.

-- real_zones
-- Zones that are not invented: a demo must never run on their database.
SELECT zone_id FROM zone WHERE NOT is_fictional LIMIT 1;

-- newest_received
-- The newest platform time at which a reading arrived; null when there is none.
SELECT max(received_at) FROM latest;
