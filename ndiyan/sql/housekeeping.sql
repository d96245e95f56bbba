-- What is old enough to go; at most so many rows at once, so that nobody waits. Readings, what they add up to, alerts
-- and their stories, the accounts of gateways and the journal are not here: they are never let go of.

-- raw_messages
-- What profiles read, with its bytes; the readings that it came to stay.
DELETE FROM raw_message WHERE raw_message_id IN (
    SELECT raw_message_id FROM raw_message WHERE received_at < %(before)s ORDER BY received_at LIMIT %(most)s);

-- brought_files
-- The bytes of files that people brought; what became of each stays.
DELETE FROM backlog_part WHERE (backlog_file_id, part) IN (
    SELECT p.backlog_file_id, p.part FROM backlog_part p JOIN backlog_file f USING (backlog_file_id)
    WHERE f.made_at < %(before)s AND f.state <> 'asked' LIMIT %(most)s);

-- sms_texts
-- That something was sent, to whom, when, by which route and what became of it stays; so does the text while its alert
-- is open.
UPDATE notification SET text = '' WHERE notification_id IN (
    SELECT notification_id FROM notification n LEFT JOIN alert a USING (alert_id)
    WHERE n.created_at < %(before)s AND n.text <> '' AND n.state NOT IN ('held', 'queued', 'submitting', 'uncertain')
      AND (a.alert_id IS NULL OR a.state = 'resolved') LIMIT %(most)s);

-- sms_answers
UPDATE sms_in SET text = '', repeat_keys = NULL WHERE sms_in_id IN (
    SELECT sms_in_id FROM sms_in s LEFT JOIN alert a USING (alert_id)
    WHERE s.received_at < %(before)s AND s.text <> '' AND s.handled_at IS NOT NULL
      AND (a.alert_id IS NULL OR a.state = 'resolved') LIMIT %(most)s);

-- receipts
-- As routes sent them; what they came to stands at the notification.
UPDATE sms_receipt SET raw = '', text_head = '' WHERE sms_receipt_id IN (
    SELECT sms_receipt_id FROM sms_receipt WHERE received_at < %(before)s AND (raw <> '' OR text_head <> '')
    LIMIT %(most)s);

-- handset
-- The phone on the screen, as if somebody emptied it.
DELETE FROM phone_inbox WHERE ref IN (SELECT ref FROM phone_inbox WHERE sent_at < %(before)s LIMIT %(most)s);

-- set_aside
-- What was set aside and accepted since. What nobody has accepted yet stays, however old.
DELETE FROM set_aside WHERE set_aside_id IN (
    SELECT set_aside_id FROM set_aside WHERE replayed_at < %(before)s LIMIT %(most)s);

-- route_events
-- What routes told us over HTTP, once it was taken.
DELETE FROM carrier_event WHERE carrier_event_id IN (
    SELECT carrier_event_id FROM carrier_event WHERE taken_at IS NOT NULL AND received_at < %(before)s LIMIT %(most)s);

-- webhooks
-- What programs were told of alerts.
DELETE FROM webhook_delivery WHERE webhook_delivery_id IN (
    SELECT webhook_delivery_id FROM webhook_delivery WHERE state = 'delivered' AND delivered_at < %(before)s
    LIMIT %(most)s);

-- login_links
DELETE FROM login_link WHERE token_hash IN (
    SELECT token_hash FROM login_link WHERE expires_at < %(before)s LIMIT %(most)s);

-- done
-- When it was done last, what is kept how long and what went: the page about Ndiyan itself shows it.
SELECT beat_at FROM heartbeat WHERE service = 'housekeeping';
