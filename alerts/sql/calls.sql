-- listed
-- Of alerts that are live, and of zones where nobody else can be told: whom nobody has called, or, with an instant, whom
-- somebody has called since.
SELECT l.call_id, a.alert_id, a.code, a.fault, coalesce(a.severity, 2), z.zone_id, z.name, l.why, l.since,
       c.name, c.role, c.phone, l.called_by
FROM call_list l LEFT JOIN alert a USING (alert_id) JOIN zone z ON z.zone_id = coalesce(a.zone_id, l.zone_id)
    LEFT JOIN contact c ON c.contact_id = l.contact_id
WHERE (l.called_at >= %(called_since)s OR %(called_since)s::timestamptz IS NULL AND l.called_at IS NULL)
  AND (l.alert_id IS NULL OR a.state <> 'resolved')
ORDER BY coalesce(a.severity, 2) DESC, l.since, l.call_id;

-- called
UPDATE call_list SET called_by = %(who)s, called_at = %(now)s WHERE call_id = %(call)s AND called_at IS NULL
RETURNING alert_id, zone_id, why;

-- not_called
UPDATE call_list SET called_by = NULL, called_at = NULL WHERE call_id = %(call)s AND called_at >= %(since)s
RETURNING alert_id, zone_id, why;
