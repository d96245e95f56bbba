-- gateways
-- The gateway in whose account a backlog of each zone stands.
SELECT zone_id, min(gateway_id) FROM gateway GROUP BY zone_id;
