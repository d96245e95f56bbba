-- people
-- Everybody with a phone, those of the zone whose message is newest first; one row a phone and zone.
SELECT c.contact_id, c.name, c.role, c.phone, c.language, z.zone_id, z.name,
       inbox.newest_at, coalesce(inbox.unread, 0)
FROM contact c JOIN zone z USING (zone_id)
LEFT JOIN LATERAL (
    SELECT max(i.delivered_at) AS newest_at, count(*) FILTER (WHERE i.read_at IS NULL) AS unread
    FROM phone_inbox i WHERE i.phone = c.phone AND i.delivered_at IS NOT NULL
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
-- Both directions, newest first; what is still under way is not on the handset.
SELECT 'in' AS direction, ref::text, text, sent_at, delivered_at, read_at, delivered_at AS at FROM phone_inbox
WHERE phone = %(phone)s AND delivered_at IS NOT NULL
UNION ALL
SELECT 'out', phone_reply_id::text, text, sent_at, NULL, NULL, sent_at FROM phone_reply WHERE phone = %(phone)s
ORDER BY at DESC, direction DESC
LIMIT %(limit)s;

-- mark_read
UPDATE phone_inbox SET read_at = %(now)s WHERE phone = %(phone)s AND read_at IS NULL AND delivered_at IS NOT NULL;

-- insert_reply
INSERT INTO phone_reply (phone, text, sent_at) VALUES (%(phone)s, %(text)s, %(now)s) RETURNING phone_reply_id;
