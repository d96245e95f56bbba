-- page
-- Newest first; only the beginning of each payload.
SELECT set_aside_id, received_at, topic, zone_id, gateway_id, reason, detail, octet_length(payload),
       substring(payload FROM 1 FOR %(preview)s), replayed_at
FROM set_aside
WHERE (%(before_at)s::timestamptz IS NULL OR (received_at, set_aside_id) < (%(before_at)s, %(before_id)s::bigint))
  AND (%(zone)s::text IS NULL OR coalesce(zone_id, '') = %(zone)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
  AND (%(is_waiting)s::boolean IS NULL OR (replayed_at IS NULL) = %(is_waiting)s)
ORDER BY received_at DESC, set_aside_id DESC
LIMIT %(limit)s;

-- one
SELECT set_aside_id, received_at, topic, zone_id, gateway_id, reason, detail, octet_length(payload), payload, replayed_at
FROM set_aside WHERE set_aside_id = %(id)s;

-- waiting
SELECT reason, zone_id, count(*), min(received_at), max(received_at)
FROM set_aside WHERE replayed_at IS NULL GROUP BY reason, zone_id ORDER BY count(*) DESC, reason, zone_id;
