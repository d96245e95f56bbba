-- records
-- Alerts that were opened or ended in a span of time or are open still, with what people said of them last. One is told
-- when a route took an SMS about it.
SELECT a.alert_id, a.zone_id, a.fault, a.severity, a.first_evidence_at, a.opened_at, a.acknowledged_at,
       coalesce(a.cleared_at, a.resolved_at), a.times,
       EXISTS (SELECT FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'opened' AND n.accepted_at IS NOT NULL),
       a.explained_by IS NOT NULL, said.is_true, a.cause
FROM alert a JOIN alert_said said USING (alert_id)
WHERE (a.opened_at >= %(start)s AND a.opened_at <= %(end)s) OR a.state <> 'resolved'
   OR (coalesce(a.cleared_at, a.resolved_at) >= %(start)s AND coalesce(a.cleared_at, a.resolved_at) < %(end)s)
ORDER BY a.opened_at, a.alert_id;

-- sent
-- Messages about alerts that a carrier took within a span (a bundle is one, what it tells is none), the weeks of the
-- zones in it, each from its sensors' first reading, and those of their people, who may be of several.
WITH watched AS (
    SELECT c.zone_id,
           extract(epoch FROM %(end)s - greatest(%(start)s, min(coalesce(first.day, l.measured_at)))) / 604800 AS weeks
    FROM channel c JOIN latest l USING (channel_id) LEFT JOIN LATERAL (
        SELECT d.day FROM reading_day d WHERE d.channel_id = l.channel_id ORDER BY d.day LIMIT 1) first ON true
    WHERE c.by_hand_of IS NULL
    GROUP BY c.zone_id HAVING min(coalesce(first.day, l.measured_at)) < %(end)s)
SELECT (SELECT count(*) FROM notification
        WHERE kind IN ('opened', 'reminder', 'resolved', 'bundle') AND told_in IS NULL
          AND accepted_at >= %(start)s AND accepted_at <= %(end)s),
       (SELECT coalesce(sum(weeks), 0)::float8 FROM watched),
       (SELECT coalesce(sum(weeks), 0)::float8 FROM (
            SELECT max(w.weeks) AS weeks FROM watched w JOIN contact c USING (zone_id) WHERE c.is_active GROUP BY c.phone
        ) person);
