-- keep
INSERT INTO report (zone_id, contact_id, sms_in_id, reported_at, text)
VALUES (%(zone)s, %(contact)s, %(sms)s, %(now)s, %(text)s);

-- zone_name
SELECT name FROM zone WHERE zone_id = %(zone)s;

-- told_lately
-- Who hears of the breakdown that is open in this zone, told since then, and whether it has left for them: not who asked
-- for silence or to be forgotten, nor whom it did not reach, nor the one who reports.
SELECT c.name, c.phone, n.state NOT IN ('queued', 'held') FROM notification n JOIN contact c USING (contact_id)
WHERE n.zone_id = %(zone)s AND n.kind = 'report' AND n.created_at > %(since)s AND c.is_active
  AND n.created_at >= (SELECT min(reported_at) FROM report WHERE zone_id = %(zone)s AND closed_at IS NULL)
  AND c.phone <> %(phone)s AND c.phone NOT IN (SELECT phone FROM opted_out)
  AND n.state IN ('queued', 'held', 'submitting', 'uncertain', 'accepted', 'delivered', 'no_receipt')
ORDER BY n.notification_id DESC LIMIT 1;

-- specialist
-- Who repairs in this zone, else its engineer; not the one who reports, nor whom such news has just not reached.
SELECT contact_id, name, phone, language FROM contact c
WHERE zone_id = %(zone)s AND is_active AND role = ANY(%(roles)s) AND phone <> %(phone)s
  AND phone NOT IN (SELECT phone FROM opted_out)
  AND NOT EXISTS (SELECT FROM notification n WHERE n.contact_id = c.contact_id AND n.kind = 'report'
                  AND n.created_at > %(since)s AND n.state IN ('failed', 'undelivered', 'expired', 'abandoned'))
ORDER BY array_position(%(roles)s::text[], role), rank LIMIT 1;

-- unheard
-- Breakdowns that are not over, whose last news reached nobody or has waited for a route since then, and for which nobody is
-- to call; who reported them last, and whether it waits.
SELECT DISTINCT ON (r.zone_id) r.zone_id, z.name, c.name, c.phone, n.state = 'queued'
FROM report r JOIN zone z USING (zone_id) JOIN contact c USING (contact_id) CROSS JOIN LATERAL (
    SELECT state, created_at FROM notification
    WHERE zone_id = r.zone_id AND kind = 'report' AND created_at > %(since)s
    ORDER BY created_at DESC, notification_id DESC LIMIT 1) n
WHERE r.closed_at IS NULL AND r.reported_at > %(since)s AND c.is_active
  AND (n.state IN ('failed', 'undelivered', 'expired', 'abandoned')
       OR n.state = 'queued' AND n.created_at < %(waits_since)s)
  AND NOT EXISTS (SELECT FROM call_list l WHERE l.zone_id = r.zone_id AND l.step = 'report' AND l.since > n.created_at)
ORDER BY r.zone_id, r.report_id DESC;

-- is_on_the_list
-- And nobody has called yet: who has called knows of what was reported before.
SELECT EXISTS (SELECT FROM call_list WHERE zone_id = %(zone)s AND step = 'report' AND since > %(since)s
               AND called_at IS NULL);

-- tell
INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments, urgency, state,
                          created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(zone)s, %(contact)s, %(phone)s, %(kind)s, %(step)s, %(reason)s, %(language)s, %(text)s,
        %(segments)s, %(urgency)s, 'queued', %(now)s, %(now)s, %(valid_until)s);

-- open
-- What is reported of each zone and not over, with the code of the first report and the time of the last.
SELECT 'P' || min(r.report_id), r.zone_id, z.name, max(r.reported_at) FROM report r JOIN zone z USING (zone_id)
WHERE r.zone_id = ANY(%(zones)s) AND r.closed_at IS NULL AND r.reported_at > %(since)s
GROUP BY r.zone_id, z.name ORDER BY min(r.report_id) DESC;

-- reports_of_zone
SELECT r.report_id, c.phone FROM report r JOIN contact c USING (contact_id)
WHERE r.zone_id = %(zone)s AND r.closed_at IS NULL ORDER BY r.report_id;

-- close
-- Only what is open is closed; who reported is told when nobody has told them before.
UPDATE report r SET closed_at = %(now)s, closed_by = %(who)s, cause = %(cause)s
FROM contact c, zone z
WHERE r.report_id = %(report)s AND r.closed_at IS NULL AND c.contact_id = r.contact_id AND z.zone_id = r.zone_id
RETURNING r.told_at IS NULL AND c.is_active AND c.phone <> ALL(%(known_to)s::text[])
              AND c.phone NOT IN (SELECT phone FROM opted_out),
          c.contact_id, c.phone, c.language, r.zone_id, z.name;

-- told_end
UPDATE report SET told_at = %(now)s WHERE report_id = %(report)s;

-- reopen
UPDATE report r SET closed_at = NULL, closed_by = NULL, cause = NULL
FROM (SELECT report_id, cause FROM report WHERE report_id = %(report)s AND closed_at IS NOT NULL FOR UPDATE) before
WHERE r.report_id = before.report_id RETURNING before.cause;
