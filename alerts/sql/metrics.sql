-- records
-- Alerts that were opened in a span of platform time or are open still, with what people said of them last.
SELECT a.alert_id, a.zone_id, a.fault, a.severity, a.opened_at, a.acknowledged_at, a.resolved_at, a.times, a.is_late,
       a.explained_by IS NOT NULL, said.is_true, a.cause
FROM alert a JOIN alert_said said USING (alert_id)
WHERE (a.opened_at >= %(start)s AND a.opened_at <= %(end)s) OR a.state <> 'resolved'
ORDER BY a.opened_at, a.alert_id;

-- sms_and_zones
-- Messages about alerts that a carrier took within a span (a bundle is one, what it tells is none), and how many zones
-- there are.
SELECT (SELECT count(*) FROM notification
        WHERE kind IN ('opened', 'reminder', 'resolved', 'bundle') AND told_in IS NULL
          AND accepted_at >= %(start)s AND accepted_at <= %(end)s),
       (SELECT count(*) FROM zone);
