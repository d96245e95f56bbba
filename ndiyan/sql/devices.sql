-- gateways
SELECT gateway_id, zone_id FROM gateway ORDER BY gateway_id;
