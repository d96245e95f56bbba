-- boxes
-- What each of these zones' gateways last said of itself.
SELECT c.zone_id, max(l.value) FILTER (WHERE c.name = 'battery_v'), max(l.value) FILTER (WHERE c.name = 'signal_dbm'),
       max(l.value) FILTER (WHERE c.name = 'credit_gnf')
FROM channel c JOIN latest l USING (channel_id)
WHERE c.is_active AND c.zone_id = ANY(%(zones)s) AND c.asset_id = 'gateway' GROUP BY c.zone_id;

-- seen
SELECT c.zone_id, max(l.measured_at) FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id;

-- usable
-- Channels of a zone of which something usable was measured since then; most by their newest reading.
SELECT c.asset_id, c.name FROM channel c JOIN latest l USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND l.measured_at >= %(since)s AND (
    l.flag <> ALL(%(unusable)s) OR EXISTS (
        SELECT FROM reading r
        WHERE r.channel_id = l.channel_id AND r.measured_at >= %(since)s AND r.flag <> ALL(%(unusable)s)));
