-- insert_login_link
INSERT INTO login_link (token_hash, person, created_at, expires_at)
VALUES (%(hash)s, %(person)s, %(now)s, %(expires)s);

-- use_login_link
-- One statement, so that of two simultaneous clicks only one opens the door.
UPDATE login_link SET used_at = %(now)s
WHERE token_hash = %(hash)s AND used_at IS NULL AND expires_at > %(now)s
RETURNING person;

-- login_link
SELECT used_at, expires_at FROM login_link WHERE token_hash = %(hash)s;

-- insert_session
INSERT INTO web_session (token_hash, person, csrf, created_at, seen_at, expires_at)
VALUES (%(hash)s, %(person)s, %(csrf)s, %(now)s, %(now)s, %(expires)s);

-- delete_old_sessions
DELETE FROM web_session WHERE expires_at <= %(now)s OR seen_at <= %(idle_since)s;

-- session
SELECT person, csrf, seen_at FROM web_session
WHERE token_hash = %(hash)s AND expires_at > %(now)s AND seen_at > %(idle_since)s;

-- touch_session
UPDATE web_session SET seen_at = %(now)s WHERE token_hash = %(hash)s;

-- delete_session
DELETE FROM web_session WHERE token_hash = %(hash)s;

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
