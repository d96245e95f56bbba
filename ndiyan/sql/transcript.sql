-- said
-- Who heard or said what in a span of platform time: SMS that a handset had, answers, calls, and what alerts became.
SELECT n.delivered_at AS at, n.zone_id, z.name, 'heard', coalesce(c.name, ''), coalesce(c.role, ''), n.text,
       coalesce(a.code, ''), n.reason
FROM notification n LEFT JOIN contact c USING (contact_id) LEFT JOIN zone z ON z.zone_id = n.zone_id
LEFT JOIN alert a USING (alert_id)
WHERE n.delivered_at >= %(start)s AND n.delivered_at < %(end)s
UNION ALL
SELECT n.created_at, n.zone_id, z.name, 'not_delivered', coalesce(c.name, ''), coalesce(c.role, ''), n.text,
       coalesce(a.code, ''), n.state
FROM notification n LEFT JOIN contact c USING (contact_id) LEFT JOIN zone z ON z.zone_id = n.zone_id
LEFT JOIN alert a USING (alert_id)
WHERE n.delivered_at IS NULL AND n.created_at >= %(start)s AND n.created_at < %(end)s
UNION ALL
SELECT s.received_at, c.zone_id, z.name, CASE s.kind WHEN 'call' THEN 'rang' ELSE 'said' END, coalesce(c.name, ''),
       coalesce(c.role, ''), s.text, coalesce(a.code, ''), coalesce(s.intention, '')
FROM sms_in s LEFT JOIN contact c USING (contact_id) LEFT JOIN zone z ON z.zone_id = c.zone_id
LEFT JOIN alert a USING (alert_id)
WHERE s.received_at >= %(start)s AND s.received_at < %(end)s
UNION ALL
SELECT e.at, a.zone_id, z.name, e.kind, e.who, '', a.fault, a.code, ''
FROM alert_event e JOIN alert a USING (alert_id) JOIN zone z ON z.zone_id = a.zone_id
WHERE e.kind IN ('opened', 'acknowledged', 'resolved') AND e.at >= %(start)s AND e.at < %(end)s
ORDER BY 1, 2, 4 DESC, 5;
