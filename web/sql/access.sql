-- insert_login_link
INSERT INTO login_link (token_hash, person, purpose, created_at, expires_at)
VALUES (%(hash)s, %(person)s, %(purpose)s, %(now)s, %(expires)s);

-- void_links
UPDATE login_link SET used_at = now() WHERE person = %(person)s AND purpose = ANY(%(purposes)s) AND used_at IS NULL;

-- use_login_link
-- One statement, so that of two simultaneous clicks only one opens the door.
UPDATE login_link SET used_at = %(now)s
WHERE token_hash = %(hash)s AND purpose = %(purpose)s AND used_at IS NULL AND expires_at > %(now)s
  AND person IN (SELECT name FROM account WHERE disabled_at IS NULL)
RETURNING person;

-- login_link
SELECT person, purpose, used_at, expires_at FROM login_link
WHERE token_hash = %(hash)s AND person IN (SELECT name FROM account WHERE disabled_at IS NULL);

-- insert_session
INSERT INTO web_session (token_hash, person, csrf, created_at, seen_at, expires_at)
VALUES (%(hash)s, %(person)s, %(csrf)s, %(now)s, %(now)s, %(expires)s);

-- note_entry
UPDATE account SET entered_at = %(now)s WHERE name = %(person)s;

-- delete_old_sessions
DELETE FROM web_session WHERE expires_at <= %(now)s OR seen_at <= %(idle_since)s;

-- session
-- What the role is now, not what it was when the session began.
SELECT s.person, a.role, a.zone_id, s.csrf, s.seen_at FROM web_session s JOIN account a ON a.name = s.person
WHERE s.token_hash = %(hash)s AND s.expires_at > %(now)s AND s.seen_at > %(idle_since)s AND a.disabled_at IS NULL;

-- touch_session
UPDATE web_session SET seen_at = %(now)s WHERE token_hash = %(hash)s;

-- delete_session
DELETE FROM web_session WHERE token_hash = %(hash)s;

-- delete_sessions
DELETE FROM web_session WHERE person = %(person)s AND token_hash <> %(but)s;

-- count_sessions
SELECT count(*) FROM web_session
WHERE person = %(person)s AND expires_at > %(now)s AND seen_at > %(idle_since)s;

-- insert_api_key
INSERT INTO api_key (key_hash, prefix, name, scopes, expires_at)
VALUES (%(hash)s, %(prefix)s, %(name)s, %(scopes)s, now() + %(valid_for)s::interval);

-- api_keys
SELECT prefix, name, scopes, created_at, expires_at, revoked_at, last_used_at FROM api_key
ORDER BY created_at DESC, prefix;

-- revoke_api_key
UPDATE api_key SET revoked_at = now() WHERE prefix = %(prefix)s AND revoked_at IS NULL RETURNING name;

-- api_key
SELECT name, scopes, last_used_at FROM api_key
WHERE key_hash = %(hash)s AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > %(now)s);

-- touch_api_key
UPDATE api_key SET last_used_at = %(now)s WHERE key_hash = %(hash)s;
