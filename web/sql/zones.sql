-- find
-- Zones whose name, commune or id holds all of the words.
SELECT z.zone_id, z.name, z.commune, z.people,
       (SELECT count(*) FROM asset a WHERE a.zone_id = z.zone_id AND a.kind = 'tap' AND a.is_active),
       (SELECT count(*) FROM contact c WHERE c.zone_id = z.zone_id AND c.is_active), z.edited_by, z.edited_at
FROM zone z
WHERE lower(translate(z.name || ' ' || z.commune || ' ' || z.zone_id, %(accents)s, %(plain)s)) LIKE ALL(%(patterns)s)
ORDER BY z.name, z.zone_id OFFSET %(first)s LIMIT %(limit)s;

-- count
SELECT count(*) FROM zone z
WHERE lower(translate(z.name || ' ' || z.commune || ' ' || z.zone_id, %(accents)s, %(plain)s)) LIKE ALL(%(patterns)s);
