-- keep
INSERT INTO decode_profile (name, body, changed_at, changed_by) VALUES (%(name)s, %(body)s, %(at)s, %(by)s)
ON CONFLICT (name) DO UPDATE SET
    body = EXCLUDED.body, changed_at = EXCLUDED.changed_at, changed_by = EXCLUDED.changed_by;

-- forget
DELETE FROM decode_profile WHERE name = %(name)s;

-- bodies
SELECT name, body FROM decode_profile ORDER BY name;
