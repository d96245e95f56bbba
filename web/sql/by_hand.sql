-- within
-- What people read by hand in a zone within [start, end), the newest first; what was taken back stays to be seen.
SELECT s.asset_id, s.name, s.unit, h.value, h.measured_at, c.name, c.role, h.withdrawn_at IS NOT NULL, r.flag = 3
FROM hand_reading h JOIN channel b USING (channel_id) JOIN channel s ON s.channel_id = b.by_hand_of
    JOIN contact c USING (contact_id)
    JOIN reading r ON r.channel_id = h.channel_id AND r.measured_at = h.measured_at
WHERE b.zone_id = %(zone)s AND h.measured_at >= %(start)s AND h.measured_at < %(end)s
ORDER BY h.measured_at DESC;
