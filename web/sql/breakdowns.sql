-- of_zone
-- What people reported in a zone: what is open, and the last that is closed; the newest first.
(SELECT r.report_id, r.reported_at, r.text, c.name, c.role, c.phone, r.closed_at, r.closed_by, r.cause, r.told_at
 FROM report r JOIN contact c USING (contact_id) WHERE r.zone_id = %(zone)s AND r.closed_at IS NULL)
UNION ALL
(SELECT r.report_id, r.reported_at, r.text, c.name, c.role, c.phone, r.closed_at, r.closed_by, r.cause, r.told_at
 FROM report r JOIN contact c USING (contact_id) WHERE r.zone_id = %(zone)s AND r.closed_at IS NOT NULL
 ORDER BY r.closed_at DESC LIMIT %(closed)s)
ORDER BY 7 DESC NULLS FIRST, 2 DESC;

-- zone_of
SELECT zone_id FROM report WHERE report_id = %(report)s;
