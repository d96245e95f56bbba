-- set_aside
SELECT set_aside_id, topic, payload, (extract(epoch FROM received_at) * 1000000)::int8
FROM set_aside WHERE set_aside_id = ANY (%(ids)s) AND replayed_at IS NULL ORDER BY set_aside_id;

-- mark
UPDATE set_aside SET replayed_at = %(now)s WHERE set_aside_id = %(id)s;
