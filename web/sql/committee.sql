-- zone
-- As it is for who looks.
SELECT name, version, women, men, members_counted_in FROM zone WHERE zone_id = %(zone)s;

-- lock
-- One change of a committee at a time.
SELECT version FROM zone WHERE zone_id = %(zone)s FOR UPDATE;

-- taps
SELECT asset_id FROM asset WHERE zone_id = %(zone)s AND kind = 'tap' AND is_active ORDER BY asset_id;

-- gone
-- Who was taken out and could come back; of who asked to be forgotten nothing is left to bring back.
SELECT contact_id, name, role, phone FROM contact
WHERE zone_id = %(zone)s AND NOT is_active AND phone NOT LIKE 'forgotten-%%' ORDER BY name, contact_id;

-- person
SELECT name, role, phone, language, tap FROM contact
WHERE contact_id = %(contact)s AND zone_id = %(zone)s AND is_active = %(is_active)s AND phone NOT LIKE 'forgotten-%%';

-- rank
SELECT rank FROM contact WHERE contact_id = %(contact)s;

-- order
SELECT contact_id FROM contact WHERE zone_id = %(zone)s AND is_active ORDER BY rank, contact_id;

-- set_order
UPDATE contact c SET rank = o.rank FROM unnest(%(ids)s::integer[]) WITH ORDINALITY AS o (contact_id, rank)
WHERE c.contact_id = o.contact_id AND c.zone_id = %(zone)s;

-- change
UPDATE contact SET name = %(name)s, role = %(role)s, language = %(language)s, tap = %(tap)s WHERE contact_id = %(contact)s;

-- last_rank
SELECT coalesce(max(rank), 0) FROM contact WHERE zone_id = %(zone)s AND is_active;

-- is_there
SELECT EXISTS (SELECT FROM contact WHERE zone_id = %(zone)s AND phone = %(phone)s AND is_active);

-- remove
UPDATE contact SET is_active = false WHERE contact_id = %(contact)s;

-- return
UPDATE contact SET is_active = true, rank = %(rank)s WHERE contact_id = %(contact)s;

-- count
UPDATE zone SET women = %(women)s, men = %(men)s, members_counted_in = %(counted_in)s WHERE zone_id = %(zone)s;
