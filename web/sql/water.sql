-- boxes
-- What each of these zones' gateways last said of itself.
SELECT c.zone_id, max(l.value) FILTER (WHERE c.name = 'battery_v'), max(l.value) FILTER (WHERE c.name = 'signal_dbm'),
       max(l.value) FILTER (WHERE c.name = 'credit_gnf')
FROM channel c JOIN latest l USING (channel_id)
WHERE c.is_active AND c.zone_id = ANY(%(zones)s) AND c.asset_id = 'gateway' GROUP BY c.zone_id;

-- seen
SELECT c.zone_id, max(l.measured_at) FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id;
