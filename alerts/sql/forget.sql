-- begin
INSERT INTO forgotten (at, by_whom, number_hash) VALUES (%(now)s, %(by)s, %(hash)s) RETURNING forgotten_id;

-- names
-- The names under which this phone stands in the committees.
SELECT DISTINCT name, name || ' (' || role || ')' FROM contact WHERE phone = %(phone)s;

-- contact
UPDATE contact SET phone = %(mark)s, name = '', tap = NULL, is_active = false WHERE phone = %(phone)s;

-- consent
UPDATE consent_log SET phone = %(mark)s, who = '' WHERE phone = %(phone)s;

-- stop
-- What still waits for them does not leave, and what may have left does not leave again.
UPDATE notification SET state = CASE state WHEN 'uncertain' THEN 'abandoned' ELSE 'superseded' END
WHERE phone = %(phone)s AND state IN ('queued', 'held', 'uncertain');

-- told
-- That something was sent, when, by which route and what became of it stays. Of what is under way nothing is tried
-- once more.
UPDATE notification SET phone = %(mark)s, text = '', valid_until = least(valid_until, %(now)s) WHERE phone = %(phone)s;

-- named
-- What others were told with this number in it: as it is written to them, without its country, beside the first name.
UPDATE notification SET text = replace(replace(text, %(dialled)s, ''), %(called)s, '')
WHERE text LIKE '%%' || %(dialled)s || '%%';

-- received
-- Also the number by which a route's repeat is known: some are made of the phone and of what it said.
UPDATE sms_in SET phone = %(mark)s, text = '', provider_id = 'forgotten-' || sms_in_id, repeat_keys = NULL
WHERE phone = %(phone)s;

-- attempts
-- What routes answered, where the number stands in it.
UPDATE sms_attempt SET detail = NULL WHERE detail LIKE '%%' || %(dialled)s || '%%';

-- receipts
UPDATE sms_receipt SET phone = NULL, text_head = '', raw = ''
WHERE phone = %(phone)s OR raw LIKE '%%' || %(dialled)s || '%%'
   OR notification_id IN (SELECT notification_id FROM notification WHERE phone = %(mark)s);

-- reports
UPDATE report SET text = '' WHERE contact_id IN (SELECT contact_id FROM contact WHERE phone = %(mark)s);

-- closings
UPDATE report SET closed_by = '' WHERE closed_by = ANY(%(whos)s);

-- story
UPDATE alert_event SET who = CASE WHEN who = ANY(%(whos)s) THEN '' ELSE who END, detail = detail - 'text' - 'name'
WHERE who = ANY(%(whos)s) OR detail ->> 'name' = ANY(%(names)s);

-- alerts
UPDATE alert SET acknowledged_by = CASE WHEN acknowledged_by = ANY(%(whos)s) THEN '' ELSE acknowledged_by END,
                 shelved_by = CASE WHEN shelved_by = ANY(%(whos)s) THEN '' ELSE shelved_by END,
                 assigned_to = CASE WHEN assigned_to = ANY(%(names)s) THEN NULL ELSE assigned_to END,
                 closed_by = CASE WHEN closed_by = ANY(%(whos)s) THEN '' ELSE closed_by END
WHERE acknowledged_by = ANY(%(whos)s) OR shelved_by = ANY(%(whos)s) OR assigned_to = ANY(%(names)s)
   OR closed_by = ANY(%(whos)s);

-- said
-- Whom a program said that it acts for; the program stays.
UPDATE alert_event SET who = regexp_replace(who, ' · [^·]* \(API\)$', ' (API)')
WHERE substring(who FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s);

-- said_of_alerts
UPDATE alert SET
    acknowledged_by = CASE WHEN substring(acknowledged_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s)
        THEN regexp_replace(acknowledged_by, ' · [^·]* \(API\)$', ' (API)') ELSE acknowledged_by END,
    shelved_by = CASE WHEN substring(shelved_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s)
        THEN regexp_replace(shelved_by, ' · [^·]* \(API\)$', ' (API)') ELSE shelved_by END,
    closed_by = CASE WHEN substring(closed_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s)
        THEN regexp_replace(closed_by, ' · [^·]* \(API\)$', ' (API)') ELSE closed_by END
WHERE substring(acknowledged_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s)
   OR substring(shelved_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s)
   OR substring(closed_by FROM ' · ([^·]*) \(API\)$') = ANY(%(names)s);

-- conversation
DELETE FROM conversation WHERE phone = %(phone)s;

-- handset
DELETE FROM phone_inbox WHERE phone = %(phone)s;

-- typed
DELETE FROM phone_reply WHERE phone = %(phone)s;

-- network
DELETE FROM phone_network WHERE phone = %(phone)s;

-- events
-- What routes told our doors, as it came: one of theirs, or a number in another's text. What nobody has read yet is lost.
UPDATE carrier_event SET body = '', error = NULL, taken_at = coalesce(taken_at, %(now)s)
WHERE body LIKE '%%' || %(dialled)s || '%%';

-- gammu
UPDATE gammu_handover SET phone = %(mark)s WHERE phone = %(phone)s;

-- has_daemon
SELECT to_regclass('smsd.sentitems') IS NOT NULL;

-- daemon_parts
DELETE FROM smsd.outbox_multipart WHERE "ID" IN (
    SELECT "ID" FROM smsd.outbox WHERE "DestinationNumber" LIKE '%%' || %(dialled)s);

-- daemon_outbox
-- What still waits for them there does not leave.
DELETE FROM smsd.outbox WHERE "DestinationNumber" LIKE '%%' || %(dialled)s;

-- daemon_sent
UPDATE smsd.sentitems SET "DestinationNumber" = '', "Text" = '', "TextDecoded" = ''
WHERE "DestinationNumber" LIKE '%%' || %(dialled)s;

-- daemon_inbox
UPDATE smsd.inbox SET "SenderNumber" = '', "Text" = '', "TextDecoded" = '', "Processed" = true
WHERE "SenderNumber" LIKE '%%' || %(dialled)s;

-- daemon_named_outbox
-- Their number and name in what others are told and were told; "Text" is the same in the letters of the network.
UPDATE smsd.outbox SET "Text" = NULL, "TextDecoded" = replace(replace("TextDecoded", %(dialled)s, ''), %(called)s, '')
WHERE "TextDecoded" LIKE '%%' || %(dialled)s || '%%';

-- daemon_named_parts
UPDATE smsd.outbox_multipart
SET "Text" = NULL, "TextDecoded" = replace(replace("TextDecoded", %(dialled)s, ''), %(called)s, '')
WHERE "TextDecoded" LIKE '%%' || %(dialled)s || '%%';

-- daemon_named_sent
UPDATE smsd.sentitems SET "Text" = '', "TextDecoded" = replace(replace("TextDecoded", %(dialled)s, ''), %(called)s, '')
WHERE "TextDecoded" LIKE '%%' || %(dialled)s || '%%';

-- daemon_named_inbox
UPDATE smsd.inbox SET "Text" = '', "TextDecoded" = replace("TextDecoded", %(dialled)s, '')
WHERE "TextDecoded" LIKE '%%' || %(dialled)s || '%%';

-- done
UPDATE forgotten SET counts = %(counts)s::jsonb WHERE forgotten_id = %(id)s;
