-- due
SELECT l.call_id, a.alert_id, a.code, a.fault, a.severity, a.zone_id, z.name, l.why, l.since, c.name, c.role, c.phone
FROM call_list l JOIN alert a USING (alert_id) JOIN zone z USING (zone_id)
    LEFT JOIN contact c ON c.contact_id = l.contact_id
WHERE l.called_at IS NULL AND a.state <> 'resolved' ORDER BY a.severity DESC, l.since, l.call_id;

-- called
UPDATE call_list SET called_by = %(who)s, called_at = %(now)s WHERE call_id = %(call)s AND called_at IS NULL
RETURNING alert_id;
