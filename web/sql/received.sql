-- began
-- To the hour, when some zones were first heard by their sensors; one that never was is not named.
SELECT c.zone_id, min(coalesce(first.hour, date_trunc('hour', l.measured_at, 'UTC')))
FROM channel c JOIN latest l USING (channel_id) LEFT JOIN LATERAL (
    SELECT r.hour FROM reading_hour r WHERE r.channel_id = l.channel_id ORDER BY r.hour LIMIT 1) first ON true
WHERE c.by_hand_of IS NULL AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s))
GROUP BY c.zone_id;
