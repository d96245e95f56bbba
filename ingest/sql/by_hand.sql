-- gauge
-- A rain gauge that no gateway reads has its channel as well: not active, since nothing is due from it.
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum, is_active)
SELECT zone_id, asset_id, %(name)s, %(unit)s, false, %(minimum)s, %(maximum)s, false
FROM asset WHERE zone_id = %(zone)s AND asset_id = %(asset)s AND is_active
ON CONFLICT (zone_id, asset_id, name) DO NOTHING;

-- read_there
-- The channel that a person reads off, active or a rain gauge's, with its bounds, its asset's plate and what its sensor last said. It is held
-- to the end of the transaction: of two people who read the same thing one is booked behind the other.
SELECT c.channel_id, c.minimum, c.maximum, (a.rating ->> 'full_level_m')::float8,
       l.value, (extract(epoch FROM l.measured_at) * 1000000)::int8, c.wraps_at, c.most_per_h
FROM channel c JOIN asset a USING (zone_id, asset_id)
    LEFT JOIN latest l ON l.channel_id = c.channel_id AND l.flag <> 4
WHERE c.zone_id = %(zone)s AND c.asset_id = %(asset)s AND c.name = %(name)s
      AND (c.is_active OR (a.kind = 'weather' AND a.is_active))
FOR NO KEY UPDATE OF c;

-- own_channel
-- The channel beside it that holds what people read there; made when somebody first does.
WITH made AS (
    INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum, wraps_at, most_per_h, is_active,
                         by_hand_of)
    SELECT zone_id, asset_id, name || '_by_hand', unit, is_counter, minimum, maximum, wraps_at, most_per_h, false,
           channel_id
    FROM channel WHERE channel_id = %(channel)s
    ON CONFLICT DO NOTHING RETURNING channel_id
)
SELECT channel_id FROM made UNION ALL SELECT channel_id FROM channel WHERE by_hand_of = %(channel)s;

-- last_by_hand
-- What was last read there and still stands: value, time, by whom.
SELECT h.value, (extract(epoch FROM h.measured_at) * 1000000)::int8, h.contact_id, h.hand_reading_id
FROM hand_reading h JOIN channel c USING (channel_id)
WHERE c.by_hand_of = %(channel)s AND h.withdrawn_at IS NULL AND h.hand_reading_id IS DISTINCT FROM %(without)s
ORDER BY h.measured_at DESC LIMIT 1;

-- keep
INSERT INTO hand_reading (sms_in_id, channel_id, measured_at, value, contact_id)
VALUES (%(sms)s, %(channel)s, %(at)s, %(value)s, %(contact)s);

-- withdraw
UPDATE hand_reading SET withdrawn_at = %(now)s WHERE hand_reading_id = %(id)s;
