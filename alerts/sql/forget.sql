-- begin
INSERT INTO forgotten (at, by_whom, number_hash) VALUES (%(now)s, %(by)s, %(hash)s) RETURNING forgotten_id;

-- standings
-- In which zones this phone stands, also as who was taken out, with the names under which stories there may tell of whom
-- it is, alone and with their role: a name of another zone counts too, for an answer may be written down under it, unless
-- somebody else stands there under that name. Read before `contact`, which takes phone and names away.
SELECT DISTINCT z.zone_id, n.name, n.name || ' (' || n.role || ')' FROM contact z JOIN contact n USING (phone)
WHERE phone = %(phone)s AND (n.zone_id = z.zone_id OR NOT EXISTS (
    SELECT FROM contact o WHERE o.zone_id = z.zone_id AND o.name = n.name AND o.phone <> %(phone)s))
ORDER BY 1, 2, 3;

-- contact
UPDATE contact SET phone = %(mark)s, name = '', tap = NULL, is_active = false
WHERE phone = %(phone)s AND zone_id = ANY(%(zones)s);

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
UPDATE notification SET text = regexp_replace(regexp_replace(text, %(number)s, '', 'g'), %(called)s, '', 'g')
WHERE text ~ %(number)s;

-- retold
-- The same where an alert's story keeps what others were told, or wrote.
UPDATE alert_event SET detail = jsonb_set(detail, '{text}', to_jsonb(
    regexp_replace(regexp_replace(detail ->> 'text', %(number)s, '', 'g'), %(called)s, '', 'g')))
WHERE detail ->> 'text' ~ %(number)s;

-- shelved
-- The same number in why an alert sleeps and in whom it was given to: somebody's own words.
UPDATE alert SET shelved_why = regexp_replace(shelved_why, %(number)s, '', 'g'),
    assigned_to = regexp_replace(assigned_to, %(number)s, '', 'g')
WHERE concat_ws(' ', shelved_why, assigned_to) ~ %(number)s;

-- photos
-- And in what a photo shows.
UPDATE alert_photo SET shows = regexp_replace(shows, %(number)s, '', 'g') WHERE shows ~ %(number)s;

-- received
-- Also the number by which a route's repeat is known: some are made of the phone and of what it said.
UPDATE sms_in SET phone = %(mark)s, text = '', provider_id = 'forgotten-' || sms_in_id, repeat_keys = NULL
WHERE phone = %(phone)s;

-- written
-- The same number in what others wrote to us; repeats of it are known no more.
UPDATE sms_in SET text = regexp_replace(text, %(number)s, '', 'g'), repeat_keys = NULL WHERE text ~ %(number)s;

-- attempts
-- What routes answered, where the number stands in it.
UPDATE sms_attempt SET detail = NULL WHERE detail ~ %(number)s;

-- receipts
UPDATE sms_receipt SET phone = NULL, text_head = '', raw = ''
WHERE phone = %(phone)s OR raw ~ %(number)s
   OR notification_id IN (SELECT notification_id FROM notification WHERE phone = %(mark)s);

-- reports
UPDATE report SET text = '' WHERE contact_id IN (SELECT contact_id FROM contact WHERE phone = %(mark)s);

-- closings
-- From here on a name is theirs in their zones alone: elsewhere it is a namesake's.
UPDATE report SET closed_by = ''
WHERE (zone_id, closed_by) IN (SELECT * FROM unnest(%(zones)s::text[], %(whos)s::text[]));

-- story
WITH known_as AS MATERIALIZED (
    SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[], %(whos)s::text[]) AS k (zone_id, name, who))
UPDATE alert_event e
SET who = CASE WHEN (a.zone_id, e.who) IN (SELECT zone_id, who FROM known_as) THEN '' ELSE e.who END,
    detail = detail - 'text' - 'name'
FROM alert a
WHERE a.alert_id = e.alert_id AND ((a.zone_id, e.who) IN (SELECT zone_id, who FROM known_as)
                                   OR (a.zone_id, e.detail ->> 'name') IN (SELECT zone_id, name FROM known_as));

-- alerts
WITH known_as AS MATERIALIZED (
    SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[], %(whos)s::text[]) AS k (zone_id, name, who))
UPDATE alert SET
    acknowledged_by = CASE WHEN (zone_id, acknowledged_by) IN (SELECT zone_id, who FROM known_as) THEN ''
        ELSE acknowledged_by END,
    shelved_by = CASE WHEN (zone_id, shelved_by) IN (SELECT zone_id, who FROM known_as) THEN '' ELSE shelved_by END,
    assigned_to = CASE WHEN (zone_id, assigned_to) IN (SELECT zone_id, name FROM known_as) THEN NULL ELSE assigned_to END,
    closed_by = CASE WHEN (zone_id, closed_by) IN (SELECT zone_id, who FROM known_as) THEN '' ELSE closed_by END
WHERE (zone_id, acknowledged_by) IN (SELECT zone_id, who FROM known_as)
   OR (zone_id, shelved_by) IN (SELECT zone_id, who FROM known_as)
   OR (zone_id, assigned_to) IN (SELECT zone_id, name FROM known_as)
   OR (zone_id, closed_by) IN (SELECT zone_id, who FROM known_as);

-- said
-- Whom a program said that it acts for; the program stays.
UPDATE alert_event e SET who = regexp_replace(e.who, ' · [^·]* \(API\)$', ' (API)') FROM alert a
WHERE a.alert_id = e.alert_id
  AND (a.zone_id, substring(e.who FROM ' · ([^·]*) \(API\)$'))
      IN (SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[]));

-- said_of_alerts
WITH known_as AS MATERIALIZED (SELECT * FROM unnest(%(zones)s::text[], %(names)s::text[]))
UPDATE alert SET
    acknowledged_by = CASE WHEN (zone_id, substring(acknowledged_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as)
        THEN regexp_replace(acknowledged_by, ' · [^·]* \(API\)$', ' (API)') ELSE acknowledged_by END,
    shelved_by = CASE WHEN (zone_id, substring(shelved_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as)
        THEN regexp_replace(shelved_by, ' · [^·]* \(API\)$', ' (API)') ELSE shelved_by END,
    closed_by = CASE WHEN (zone_id, substring(closed_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as)
        THEN regexp_replace(closed_by, ' · [^·]* \(API\)$', ' (API)') ELSE closed_by END
WHERE (zone_id, substring(acknowledged_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as)
   OR (zone_id, substring(shelved_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as)
   OR (zone_id, substring(closed_by FROM ' · ([^·]*) \(API\)$')) IN (SELECT * FROM known_as);

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
WHERE body ~ %(number)s;

-- gammu
UPDATE gammu_handover SET phone = %(mark)s WHERE phone = %(phone)s;

-- has_daemon
SELECT to_regclass('smsd.sentitems') IS NOT NULL;

-- daemon_parts
DELETE FROM smsd.outbox_multipart WHERE "ID" IN (
    SELECT "ID" FROM smsd.outbox WHERE "DestinationNumber" ~ %(number)s);

-- daemon_outbox
-- What still waits for them there does not leave.
DELETE FROM smsd.outbox WHERE "DestinationNumber" ~ %(number)s;

-- daemon_sent
UPDATE smsd.sentitems SET "DestinationNumber" = '', "Text" = '', "TextDecoded" = ''
WHERE "DestinationNumber" ~ %(number)s;

-- daemon_inbox
UPDATE smsd.inbox SET "SenderNumber" = '', "Text" = '', "TextDecoded" = '', "Processed" = true
WHERE "SenderNumber" ~ %(number)s;

-- daemon_named_outbox
-- Their number and name in what others are told and were told; "Text" is the same in the letters of the network.
UPDATE smsd.outbox SET "Text" = NULL,
    "TextDecoded" = regexp_replace(regexp_replace("TextDecoded", %(number)s, '', 'g'), %(called)s, '', 'g')
WHERE "TextDecoded" ~ %(number)s;

-- daemon_named_parts
UPDATE smsd.outbox_multipart SET "Text" = NULL,
    "TextDecoded" = regexp_replace(regexp_replace("TextDecoded", %(number)s, '', 'g'), %(called)s, '', 'g')
WHERE "TextDecoded" ~ %(number)s;

-- daemon_named_sent
UPDATE smsd.sentitems SET "Text" = '',
    "TextDecoded" = regexp_replace(regexp_replace("TextDecoded", %(number)s, '', 'g'), %(called)s, '', 'g')
WHERE "TextDecoded" ~ %(number)s;

-- daemon_named_inbox
UPDATE smsd.inbox SET "Text" = '', "TextDecoded" = regexp_replace("TextDecoded", %(number)s, '', 'g')
WHERE "TextDecoded" ~ %(number)s;

-- done
UPDATE forgotten SET counts = %(counts)s::jsonb WHERE forgotten_id = %(id)s;
