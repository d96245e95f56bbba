-- boxes
-- What each zone's gateway last said of itself, and when anything of the zone was last measured.
SELECT c.zone_id, max(l.measured_at), max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'battery_v'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'signal_dbm'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'credit_gnf')
FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id;

-- hours
-- The hours of what a zone draws, lifts and receives: mean, what counters moved on, lowest. All taps together are one.
SELECT CASE WHEN c.asset_id LIKE 'tap-%%' THEN 'taps' ELSE c.asset_id END || '/' || c.name AS channel, h.hour,
       sum(h.sum) / nullif(sum(h.n), 0), sum(h.steps), min(h.min)
FROM channel c JOIN reading_hourly h USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND h.hour >= %(start)s AND h.hour < %(end)s AND h.n > 0
  AND (c.asset_id || '/' || c.name = ANY(%(channels)s) OR (c.asset_id LIKE 'tap-%%' AND c.name = 'volume_m3'))
GROUP BY 1, 2;
