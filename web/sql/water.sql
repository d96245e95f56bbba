-- boxes
-- What each zone's gateway last said of itself, and when anything of the zone was last measured.
SELECT c.zone_id, max(l.measured_at), max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'battery_v'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'signal_dbm'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'credit_gnf')
FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id;
