-- alert_words
SELECT a.zone_id, z.name, a.code, a.asset_id, a.evidence FROM alert a JOIN zone z USING (zone_id)
WHERE a.alert_id = %(alert)s;

-- contacts
SELECT contact_id, name, role, phone, language, rank FROM contact WHERE zone_id = %(zone)s AND is_active ORDER BY rank;

-- told_before
-- What this zone's people were told in the last day, and all about this alert.
SELECT n.alert_id, n.contact_id, a.fault, n.kind, n.created_at
FROM notification n LEFT JOIN alert a USING (alert_id)
WHERE n.zone_id = %(zone)s AND n.kind <> 'reply' AND (n.created_at >= %(since)s OR n.alert_id = %(alert)s);

-- queue
-- The key makes a repeat of the same decision harmless.
INSERT INTO notification (ref, alert_id, zone_id, contact_id, phone, kind, step, reason, language, text, segments,
                          carrier, state, created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(alert)s, %(zone)s, %(contact)s, %(phone)s, %(kind)s, %(step)s, %(reason)s, %(language)s, %(text)s,
        %(segments)s, %(carrier)s, 'queued', %(now)s, %(send_at)s, %(valid_until)s)
ON CONFLICT (alert_id, kind, step, contact_id) DO NOTHING RETURNING notification_id;

-- supersede
-- What waits about an alert that has moved on is no longer worth a phone's tone.
UPDATE notification n SET state = 'superseded' FROM alert a
WHERE a.alert_id = n.alert_id AND n.state = 'queued' AND n.kind IN ('opened', 'reminder')
  AND (a.state = 'resolved' OR (a.state = 'acknowledged' AND n.kind = 'opened' AND n.step <> 'first'));

-- supersede_closings
-- Nobody needs to hear the end of what they never heard of.
UPDATE notification n SET state = 'superseded'
WHERE n.state = 'queued' AND n.kind = 'resolved' AND NOT EXISTS (
    SELECT 1 FROM notification o WHERE o.alert_id = n.alert_id AND o.contact_id = n.contact_id
      AND o.kind <> 'resolved' AND o.state NOT IN ('superseded', 'expired', 'failed'));

-- expire
UPDATE notification SET state = 'expired' WHERE state = 'queued' AND valid_until < %(now)s;

-- claim
-- Marked and committed before the carrier is called. What matters most leaves first; what was put on the shelf waits.
UPDATE notification SET state = 'submitting', submitted_at = %(now)s, attempts = attempts + 1
WHERE notification_id IN (
    SELECT n.notification_id FROM notification n LEFT JOIN alert a USING (alert_id)
    WHERE n.state = 'queued' AND n.next_try_at <= %(now)s
      AND (n.kind IN ('reply', 'resolved') OR a.shelved_until IS NULL OR a.shelved_until <= %(now)s)
    ORDER BY coalesce(a.severity, 2) DESC, n.notification_id LIMIT %(limit)s FOR UPDATE OF n SKIP LOCKED)
RETURNING notification_id, ref, phone, text, carrier;

-- left_over
SELECT notification_id, ref, phone, text, carrier FROM notification
WHERE state IN ('submitting', 'uncertain') AND submitted_at <= %(before)s ORDER BY notification_id;

-- send_again
UPDATE notification SET state = 'queued', next_try_at = %(now)s, possible_duplicate = true
WHERE notification_id = %(id)s AND state IN ('submitting', 'uncertain');

-- accepted
UPDATE notification n SET state = 'accepted', provider_id = %(provider_id)s, accepted_at = %(now)s, error = NULL
FROM notification o LEFT JOIN contact c USING (contact_id)
WHERE n.notification_id = %(id)s AND o.notification_id = n.notification_id AND n.state IN ('submitting', 'uncertain')
RETURNING n.notification_id, n.alert_id, coalesce(c.name, n.phone), coalesce(c.role, ''), n.text;

-- uncertain
UPDATE notification SET state = 'uncertain', error = %(error)s WHERE notification_id = %(id)s;

-- failed
UPDATE notification SET state = 'failed', error = %(error)s WHERE notification_id = %(id)s;

-- attempts
SELECT attempts FROM notification WHERE notification_id = %(id)s;

-- retry
UPDATE notification SET state = CASE WHEN attempts >= %(most)s THEN 'failed' ELSE 'queued' END,
    error = %(error)s, next_try_at = %(again)s
WHERE notification_id = %(id)s;

-- delivered
-- The rank only rises; a late receipt wins over anything but an earlier one.
UPDATE notification n SET state = 'delivered', delivered_at = %(at)s
FROM notification o LEFT JOIN contact c USING (contact_id)
WHERE n.carrier = %(carrier)s AND n.provider_id = %(provider_id)s AND o.notification_id = n.notification_id
  AND n.state <> 'delivered'
RETURNING n.notification_id, n.alert_id, coalesce(c.name, n.phone), coalesce(c.role, ''), n.text;

-- undelivered
UPDATE notification SET state = 'undelivered' WHERE carrier = %(carrier)s AND provider_id = %(provider_id)s
  AND state = 'accepted' AND %(at)s::timestamptz IS NOT NULL RETURNING notification_id, NULL::bigint;

-- store_inbound
INSERT INTO sms_in (carrier, provider_id, phone, text, received_at)
VALUES (%(carrier)s, %(provider_id)s, %(phone)s, %(text)s, %(at)s) ON CONFLICT (carrier, provider_id) DO NOTHING;

-- unhandled
SELECT sms_in_id, phone, text FROM sms_in WHERE handled_at IS NULL ORDER BY sms_in_id;

-- give_up
UPDATE sms_in SET handled_at = %(now)s, intention = 'failed', is_sure = false WHERE sms_in_id = %(id)s;

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);
