-- alerts
-- The columns of an alert as pages read it; the five statements below say which ones and go on from here.
SELECT a.alert_id, a.code, a.zone_id, z.name, z.people, a.fault, a.asset_id, a.severity, a.state, a.first_evidence_at,
       a.last_evidence_at, a.opened_at, a.acknowledged_at, a.acknowledged_by, a.resolved_at, a.is_late, a.confidence,
       a.evidence, a.explained_by, a.times, a.shelved_until, a.shelved_by, a.shelved_why, a.assigned_to, a.cause,
       a.closed_at, a.closed_by, a.ended_by_hand, coalesce(a.cleared_at, a.resolved_at)
FROM alert a JOIN zone z USING (zone_id);

-- live
-- Alerts that are not over, gravest first, then by the number of people without water behind them.
WHERE a.state <> 'resolved' AND (%(zone)s::text IS NULL OR a.zone_id = %(zone)s)
  AND (%(fault)s::text IS NULL OR a.fault = %(fault)s)
  AND (%(piles)s::text[] IS NULL OR alert_pile(a, %(now)s) = ANY(%(piles)s))
ORDER BY a.severity DESC, z.people DESC, a.opened_at, a.alert_id;

-- page
-- Newest first; the cursor is the last row of the page before.
WHERE (%(zone)s::text IS NULL OR a.zone_id = %(zone)s)
  AND (%(states)s::text[] IS NULL OR a.state = ANY(%(states)s))
  AND (%(piles)s::text[] IS NULL OR alert_pile(a, %(now)s) = ANY(%(piles)s))
  AND (%(fault)s::text IS NULL OR a.fault = %(fault)s)
  AND (%(before_at)s::timestamptz IS NULL OR (a.opened_at, a.alert_id) < (%(before_at)s, %(before_id)s::bigint))
ORDER BY a.opened_at DESC, a.alert_id DESC
LIMIT %(limit)s;

-- count_piles
-- Live alerts, and those that ended within the last days, by where they lie; of a zone and of a fault, if asked.
SELECT alert_pile(a, %(now)s), count(*) FROM alert a
WHERE (a.state <> 'resolved' OR a.resolved_at >= %(since)s)
  AND (%(zone)s::text IS NULL OR a.zone_id = %(zone)s) AND (%(fault)s::text IS NULL OR a.fault = %(fault)s)
GROUP BY 1;

-- faults
SELECT DISTINCT fault FROM alert ORDER BY fault;

-- photos
SELECT photo_id, added_at, added_by, shows, width, height FROM alert_photo WHERE alert_id = %(alert)s ORDER BY photo_id;

-- photo
SELECT jpeg FROM alert_photo WHERE alert_id = %(alert)s AND photo_id = %(photo)s;

-- one
WHERE a.alert_id = %(alert)s;

-- explained
WHERE a.explained_by = %(alert)s
ORDER BY a.first_evidence_at, a.alert_id;

-- within
-- Alerts of a zone whose evidence touches a span of measured time.
WHERE a.zone_id = %(zone)s AND a.first_evidence_at <= %(end)s
  AND (a.state <> 'resolved' OR greatest(a.last_evidence_at, a.resolved_at) >= %(start)s)
ORDER BY a.first_evidence_at;

-- events
SELECT event_id, at, kind, who, detail FROM alert_event WHERE alert_id = %(alert)s ORDER BY at, event_id;

-- told_between
-- Messages and answers of a zone within a span of platform time, for the lane of events.
SELECT n.created_at, coalesce(c.name, ''), n.notification_id, n.alert_id FROM notification n LEFT JOIN contact c USING (contact_id)
WHERE n.zone_id = %(zone)s AND n.created_at >= %(start)s AND n.created_at < %(end)s
UNION ALL
SELECT s.received_at, coalesce(c.name, ''), NULL, s.alert_id FROM sms_in s JOIN contact c USING (contact_id)
WHERE c.zone_id = %(zone)s AND s.received_at >= %(start)s AND s.received_at < %(end)s
ORDER BY 1;

-- visits_between
-- Visits of a zone by the day that people named: noon of another day than the one on which it was written.
SELECT v.at, v.text, v.alert_id FROM (
    SELECT CASE WHEN (e.detail ->> 'on')::date = (e.at AT TIME ZONE 'UTC')::date THEN e.at
                ELSE ((e.detail ->> 'on')::date + time '12:00') AT TIME ZONE 'UTC' END AS at, e.detail ->> 'text' AS text,
           a.alert_id
    FROM alert a JOIN alert_event e USING (alert_id) WHERE a.zone_id = %(zone)s AND e.kind = 'visited'
) v
WHERE v.at >= %(start)s AND v.at < %(end)s ORDER BY v.at;

-- settings_between
-- Numbers of rules that people changed, for this zone or for all that have none of their own.
SELECT set_at, parameter, value FROM rule_setting
WHERE (zone_id IS NULL OR zone_id = %(zone)s) AND set_at >= %(start)s AND set_at < %(end)s ORDER BY set_at;

-- committee
SELECT contact_id, name, role, phone, language, tap FROM contact
WHERE zone_id = %(zone)s AND is_active ORDER BY rank;
