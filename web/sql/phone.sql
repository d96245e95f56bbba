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

-- is_known
SELECT EXISTS (SELECT FROM contact c JOIN zone z USING (zone_id)
               WHERE c.phone = %(phone)s AND c.is_active AND z.is_fictional);

-- messages
-- Both directions and calls, newest first; what is under way or was lost is not on the handset, a repeated one is twice.
SELECT 'in' AS direction, ref::text, text, sent_at, delivered_at, read_at, delivered_at AS at
FROM phone_inbox CROSS JOIN generate_series(1, copies)
WHERE phone = %(phone)s AND delivered_at IS NOT NULL
UNION ALL
SELECT CASE WHEN text IS NULL THEN 'rang' ELSE 'out' END, phone_reply_id::text, coalesce(text, ''), sent_at, NULL, NULL,
       sent_at
FROM phone_reply WHERE phone = %(phone)s
ORDER BY at DESC, direction DESC, ref DESC
LIMIT %(limit)s;

-- mark_read
UPDATE phone_inbox SET read_at = %(now)s WHERE phone = %(phone)s AND read_at IS NULL AND delivered_at IS NOT NULL;

-- insert_reply
INSERT INTO phone_reply (phone, text, sent_at) VALUES (%(phone)s, %(text)s, %(now)s) RETURNING phone_reply_id;

-- network
SELECT is_on, bars, delay, loss_pct, repeats FROM phone_network WHERE phone = %(phone)s;

-- set_network
INSERT INTO phone_network (phone, is_on, bars, delay, loss_pct, repeats, changed_at)
VALUES (%(phone)s, %(is_on)s, %(bars)s, %(delay)s, %(loss_pct)s, %(repeats)s, %(now)s)
ON CONFLICT (phone) DO UPDATE SET is_on = EXCLUDED.is_on, bars = EXCLUDED.bars, delay = EXCLUDED.delay,
    loss_pct = EXCLUDED.loss_pct, repeats = EXCLUDED.repeats, changed_at = EXCLUDED.changed_at;
