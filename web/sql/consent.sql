-- people
-- Everybody of a committee, when something last reached the phone, when something was last sent there, and in which other
-- committees the phone stands.
SELECT c.zone_id, z.name, c.contact_id, c.name, c.role, c.phone, c.language,
       (SELECT max(n.delivered_at) FROM notification n WHERE n.phone = c.phone),
       (SELECT max(n.accepted_at) FROM notification n WHERE n.phone = c.phone), c.tap,
       array(SELECT o.zone_id FROM contact o WHERE o.phone = c.phone AND o.zone_id <> c.zone_id AND o.is_active
             ORDER BY o.zone_id)
FROM contact c JOIN zone z USING (zone_id)
WHERE c.is_active AND (%(zones)s::text[] IS NULL OR c.zone_id = ANY(%(zones)s)) ORDER BY c.zone_id, c.rank, c.contact_id;

-- phone
SELECT phone FROM contact WHERE contact_id = %(contact)s AND is_active;

-- log
-- The last word of each phone. Under which name it was written down elsewhere is not told to who sees one zone alone.
SELECT DISTINCT ON (phone) phone, at, what, how,
       CASE WHEN current_user <> 'ndiyan_zone' OR EXISTS (
           SELECT FROM contact c WHERE c.phone = l.phone AND l.who = c.name || ' (' || c.role || ')') THEN who ELSE '' END
FROM consent_log l ORDER BY phone, consent_id DESC;
