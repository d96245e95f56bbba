-- boxes
-- What each zone's gateway last said of itself, and when anything of the zone was last measured.
SELECT c.zone_id, max(l.measured_at), max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'battery_v'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'signal_dbm'),
       max(l.value) FILTER (WHERE c.asset_id = 'gateway' AND c.name = 'credit_gnf')
FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id;

-- hours
-- The hours of what a zone draws, lifts and receives: mean, what counters moved on, lowest.
SELECT c.asset_id || '/' || c.name, h.hour, h.sum / h.n, h.steps, h.min
FROM channel c JOIN reading_hourly h USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND h.hour >= %(start)s AND h.hour < %(end)s AND h.n > 0
  AND c.asset_id || '/' || c.name = ANY(%(channels)s);

-- tap_hours
-- What all taps of a zone counted together in each hour.
SELECT h.hour, sum(h.steps) FROM channel c JOIN reading_hourly h USING (channel_id)
WHERE c.is_active AND c.zone_id = %(zone)s AND c.asset_id LIKE 'tap-%%' AND c.name = 'volume_m3'
  AND h.hour >= %(start)s AND h.hour < %(end)s AND h.n > 0
GROUP BY h.hour;
