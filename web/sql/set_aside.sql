-- page
-- Newest first; only the beginning of each payload.
SELECT set_aside_id, received_at, topic, zone_id, gateway_id, reason, detail, octet_length(payload),
       substring(payload FROM 1 FOR %(preview)s), replayed_at
FROM set_aside
WHERE %(before_at)s::timestamptz IS NULL OR (received_at, set_aside_id) < (%(before_at)s, %(before_id)s::bigint)
ORDER BY received_at DESC, set_aside_id DESC
LIMIT %(limit)s;

-- one
SELECT set_aside_id, received_at, topic, zone_id, gateway_id, reason, detail, octet_length(payload),
       substring(payload FROM 1 FOR %(preview)s), replayed_at
FROM set_aside WHERE set_aside_id = %(id)s;
