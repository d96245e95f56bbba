-- tower
-- A zone's tower as it stands, as far as that is still so: its level, its full level and what it then holds; and whether
-- nothing is known that keeps water from coming.
SELECT l.value, full_level_m, volume_m3, NOT EXISTS (
           SELECT 1 FROM alert WHERE zone_id = %(zone)s AND state <> 'resolved' AND explained_by IS NULL
           AND severity >= %(severity)s AND asset_id = ANY(%(lifting)s))
FROM channel c JOIN asset a USING (zone_id, asset_id) JOIN latest l USING (channel_id)
    CROSS JOIN LATERAL (
        SELECT (a.rating ->> 'full_level_m')::float8, (a.rating ->> 'volume_m3')::float8) AS plate (full_level_m, volume_m3)
WHERE c.zone_id = %(zone)s AND c.asset_id = 'tower' AND c.name = 'level_m' AND c.is_active AND full_level_m > 0
    AND volume_m3 > 0 AND l.measured_at >= %(fresh)s AND l.flag <> ALL(%(unusable)s);
