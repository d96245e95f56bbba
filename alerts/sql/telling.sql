-- standing
-- An alert as the decisions need it, with what its texts say.
SELECT a.alert_id, a.zone_id, a.fault, a.severity, a.acknowledged_at, a.last_evidence_at, a.is_late,
       a.explained_by IS NOT NULL, a.shelved_until,
       coalesce((SELECT max(l.measured_at) >= %(heard_since)s FROM latest l JOIN channel c USING (channel_id)
                 WHERE c.zone_id = (SELECT zone_id FROM alert WHERE alert_id = %(alert)s) AND c.by_hand_of IS NULL), false),
       a.opened_at, z.name, a.code, a.asset_id, a.evidence
FROM alert a JOIN zone z USING (zone_id) WHERE a.alert_id = %(alert)s;

-- contacts
-- Of a zone, who may be told, and whether their phone serves other zones too.
SELECT contact_id, name, role, phone, language, rank, EXISTS (
    SELECT FROM contact o WHERE o.phone = c.phone AND o.zone_id <> c.zone_id AND o.is_active)
FROM contact c
WHERE zone_id = %(zone)s AND is_active AND phone NOT IN (SELECT phone FROM opted_out) ORDER BY rank;

-- told_before
-- What these phones were told lately, in whatever zone, and all about this alert. What waits together is one message.
SELECT n.alert_id, n.contact_id, n.phone, n.zone_id, a.fault, a.severity, n.kind, n.step,
       CASE WHEN n.told_in IS NOT NULL THEN 'm' || n.told_in
            WHEN n.state = 'held' THEN 'h' || n.due_at ELSE 'm' || n.notification_id END,
       coalesce(n.accepted_at, n.due_at, n.created_at), n.state IN ('superseded', 'expired', 'failed'),
       coalesce((SELECT b.route FROM notification b WHERE b.notification_id = n.told_in), n.route)
FROM notification n JOIN alert a USING (alert_id)
WHERE n.alert_id = %(alert)s AND n.kind <> 'reply'
   OR n.phone = ANY(%(phones)s) AND n.created_at >= %(since)s AND n.kind <> 'reply';

-- word
-- The last word about an alert by SMS: of the few about it, and not from the newest of all backwards. That somebody has
-- seen it, or rang, takes nothing back from who is on the way or has repaired it, be it themselves; when the same person
-- wrote since that they know of it stands beside.
WITH about AS MATERIALIZED (
    SELECT sms_in_id, intention, contact_id, handled_at, kind FROM sms_in
    WHERE alert_id = %(alert)s AND contact_id IS NOT NULL AND is_sure)
SELECT w.sms_in_id, w.intention, w.contact_id, w.handled_at, (
    SELECT max(s.handled_at) FROM about s
    WHERE s.intention = 'seen' AND s.kind = 'sms' AND s.contact_id = w.contact_id AND s.sms_in_id > w.sms_in_id)
FROM about w WHERE w.intention <> 'seen' ORDER BY w.sms_in_id DESC LIMIT 1;

-- queue
-- The key makes a repeat of the same decision harmless. An end that was not told, because it was none, is told anew.
INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text, segments,
                          urgency, route, state, created_at, next_try_at, due_at, valid_until)
VALUES (%(ref)s, %(alert)s, %(zone)s, %(contact)s, %(phone)s, %(kind)s, %(step)s, %(reason)s, %(language)s, %(text)s,
        %(segments)s, %(urgency)s, %(route)s, %(state)s, %(now)s, %(send_at)s, %(send_at)s, %(valid_until)s)
ON CONFLICT (alert_id, kind, step, contact_id) DO UPDATE SET ref = EXCLUDED.ref, phone = EXCLUDED.phone,
    reason = EXCLUDED.reason, language = EXCLUDED.language, text = EXCLUDED.text, segments = EXCLUDED.segments,
    state = EXCLUDED.state, attempts = 0, error = NULL, told_in = NULL, created_at = EXCLUDED.created_at,
    next_try_at = EXCLUDED.next_try_at, due_at = EXCLUDED.due_at, valid_until = EXCLUDED.valid_until
WHERE notification.kind = 'resolved' AND notification.state IN ('superseded', 'expired', 'failed');

-- write_anew
UPDATE notification SET text = %(text)s, segments = %(segments)s WHERE notification_id = %(id)s;

-- stand
INSERT INTO ladder (alert_id, rung, origin_at, due_at, round)
VALUES (%(alert)s, %(rung)s, %(origin)s, %(look)s, %(round)s)
ON CONFLICT (alert_id) DO UPDATE SET rung = EXCLUDED.rung, origin_at = EXCLUDED.origin_at, due_at = EXCLUDED.due_at,
    round = EXCLUDED.round, ends_at = NULL;

-- round
-- And whether anybody was told before that it is over.
SELECT round, EXISTS (SELECT FROM notification n WHERE n.alert_id = l.alert_id AND n.kind = 'resolved'
                      AND n.state NOT IN ('queued', 'held', 'superseded', 'expired', 'failed'))
FROM ladder l WHERE alert_id = %(alert)s;

-- wait_with_end
UPDATE ladder SET due_at = %(ends)s, ends_at = %(ends)s WHERE alert_id = %(alert)s;

-- rest
-- It is over; should it come back, it goes on from here.
UPDATE ladder SET due_at = NULL, ends_at = NULL WHERE alert_id = %(alert)s;

-- not_told
-- Once for each reason and step.
INSERT INTO alert_event (alert_id, at, kind, who, detail)
SELECT %(alert)s, %(now)s, 'not_told', 'ndiyan', %(detail)s::jsonb
WHERE NOT EXISTS (SELECT 1 FROM alert_event WHERE alert_id = %(alert)s AND kind = 'not_told'
                  AND detail = %(detail)s::jsonb);

-- call
INSERT INTO call_list (alert_id, contact_id, step, why, since)
VALUES (%(alert)s, %(contact)s, %(step)s, %(why)s, %(now)s)
ON CONFLICT (alert_id, step) DO NOTHING RETURNING call_id;

-- called_for
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(now)s, 'call_due', 'ndiyan', %(detail)s::jsonb);
