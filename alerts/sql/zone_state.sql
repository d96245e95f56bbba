-- state
-- What a zone last said of its tower and its pump, as far as that is still so, and when it last said anything.
SELECT z.name, max(l.measured_at),
       max(l.value) FILTER (WHERE c.asset_id = 'tower' AND c.name = 'level_m' AND is_now.ok)
           / max((a.rating ->> 'full_level_m')::float8) FILTER (WHERE c.asset_id = 'tower'),
       max(l.value) FILTER (WHERE c.asset_id = 'pump' AND c.name = 'power_w' AND is_now.ok)
           / max((a.rating ->> 'rated_power_w')::float8) FILTER (WHERE c.asset_id = 'pump')
FROM zone z LEFT JOIN channel c ON c.zone_id = z.zone_id AND c.is_active
    LEFT JOIN asset a ON a.zone_id = c.zone_id AND a.asset_id = c.asset_id
    LEFT JOIN latest l USING (channel_id)
    CROSS JOIN LATERAL (SELECT l.measured_at >= %(fresh)s AND l.flag <> ALL(%(unusable)s)) AS is_now (ok)
WHERE z.zone_id = %(zone)s GROUP BY z.zone_id, z.name;

-- live
-- The codes of a zone's live alerts, the gravest first.
SELECT code FROM alert WHERE zone_id = %(zone)s AND state <> 'resolved' ORDER BY severity DESC, alert_id;
