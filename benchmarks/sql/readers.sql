-- What `make bench-readers` puts into the database.

-- send_much
-- As a gateway of the soak sends, for an hour and a quarter.
INSERT INTO reading (channel_id, measured_at, received_at, value, flag)
SELECT channel_id, at, at, 1 + extract(second FROM at) / 60, 1
FROM channel CROSS JOIN generate_series(%(now)s - interval '75 min', %(now)s, interval '125 ms') AS at
WHERE zone_id = ANY(%(zones)s) AND (asset_id, name) IN (
    ('tower', 'level_m'), ('pump', 'power_w'), ('pump', 'flow_m3_h'), ('borehole', 'water_depth_m')
) ON CONFLICT DO NOTHING;
