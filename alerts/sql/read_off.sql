-- place
SELECT name FROM zone WHERE zone_id = %(zone)s;

-- meters
-- The meters that a person may mean, the likeliest first: that of the tap they look after, else what all taps draw, else
-- what the pump lifts.
SELECT asset_id, name FROM channel
WHERE zone_id = %(zone)s AND is_active AND ((asset_id, name) IN (('tower', 'outflow_volume_m3'), ('pump', 'volume_m3'))
      OR (asset_id = %(tap)s AND name = 'volume_m3'))
ORDER BY asset_id = %(tap)s DESC NULLS LAST, asset_id = 'tower' DESC LIMIT 1;
