-- people
-- Everybody with a phone, those of the zone whose message is newest first; one row a phone and zone.
SELECT c.contact_id, c.name, c.role, c.phone, c.language, z.zone_id, z.name,
       inbox.newest_at, coalesce(inbox.unread, 0)
FROM contact c JOIN zone z USING (zone_id)
LEFT JOIN LATERAL (
    SELECT max(i.sent_at) AS newest_at, count(*) FILTER (WHERE i.read_at IS NULL) AS unread
    FROM phone_inbox i WHERE i.phone = c.phone
) inbox ON true
WHERE c.is_active AND z.is_fictional
ORDER BY z.zone_id, c.rank;

-- person
SELECT phone FROM contact c JOIN zone z USING (zone_id)
WHERE c.contact_id = %(contact)s AND c.is_active AND z.is_fictional;

-- is_known
SELECT EXISTS (SELECT FROM contact c JOIN zone z USING (zone_id)
               WHERE c.phone = %(phone)s AND c.is_active AND z.is_fictional);

-- messages
-- Both directions, newest first. A message in hand is not read yet when this is asked for the first time.
SELECT 'in' AS direction, ref::text, text, sent_at, delivered_at, read_at FROM phone_inbox WHERE phone = %(phone)s
UNION ALL
SELECT 'out', phone_reply_id::text, text, sent_at, NULL, NULL FROM phone_reply WHERE phone = %(phone)s
ORDER BY sent_at DESC, direction DESC
LIMIT %(limit)s;

-- mark_read
UPDATE phone_inbox SET read_at = %(now)s WHERE phone = %(phone)s AND read_at IS NULL AND delivered_at IS NOT NULL;

-- insert_reply
INSERT INTO phone_reply (phone, text, sent_at) VALUES (%(phone)s, %(text)s, %(now)s) RETURNING phone_reply_id;
