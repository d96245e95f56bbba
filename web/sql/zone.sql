-- gateway
SELECT gateway_id, status, status_at, software, clock_source FROM gateway WHERE zone_id = %(zone)s ORDER BY gateway_id;
