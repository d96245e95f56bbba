-- accounts
SELECT name, role, zone_id, password IS NOT NULL, totp_secret IS NOT NULL, sign_on_mailbox, sign_on_subject IS NOT NULL,
       created_at, entered_at, disabled_at
FROM account WHERE %(name)s::text IS NULL OR lower(name) = lower(%(name)s)
ORDER BY disabled_at IS NOT NULL, lower(name);

-- insert
INSERT INTO account (name, role, zone_id, created_at) VALUES (%(name)s, %(role)s, %(zone)s, %(now)s)
ON CONFLICT DO NOTHING;

-- is_zone
SELECT FROM zone WHERE zone_id = %(zone)s;

-- administrators
-- Locks them, so that of two who take the last two away one is refused.
SELECT FROM account WHERE role = 'administrator' AND disabled_at IS NULL FOR UPDATE;

-- change_role
UPDATE account SET role = %(role)s, zone_id = %(zone)s WHERE name = %(name)s;

-- disable
UPDATE account SET disabled_at = %(now)s WHERE name = %(name)s AND disabled_at IS NULL;

-- enable
UPDATE account SET disabled_at = NULL WHERE name = %(name)s AND disabled_at IS NOT NULL;

-- secrets
SELECT name, password, totp_secret, totp_step, role FROM account WHERE lower(name) = lower(%(name)s) AND disabled_at IS NULL;

-- still_so
-- Whether password and second factor are what they were; who changes them waits until the session has begun, and ends it.
SELECT 1 FROM account WHERE name = %(name)s AND password IS NOT DISTINCT FROM %(password)s
    AND totp_secret IS NOT DISTINCT FROM %(secret)s AND disabled_at IS NULL FOR NO KEY UPDATE;

-- set_password
UPDATE account SET password = %(password)s WHERE name = %(name)s;

-- forget_secrets
UPDATE account SET password = NULL, totp_secret = NULL, totp_offered = NULL WHERE name = %(name)s;

-- offer_code
UPDATE account SET totp_offered = %(secret)s WHERE name = %(name)s;

-- offered_code
SELECT totp_offered FROM account WHERE name = %(name)s;

-- take_up_code
UPDATE account SET totp_secret = totp_offered, totp_offered = NULL, totp_step = %(step)s
WHERE name = %(name)s AND totp_offered IS NOT NULL;

-- drop_secret
UPDATE account SET totp_secret = NULL, totp_offered = NULL WHERE name = %(name)s;

-- use_step
UPDATE account SET totp_step = %(step)s WHERE name = %(name)s AND totp_step < %(step)s;

-- keep_codes
INSERT INTO recovery_code (person, code_hash) SELECT %(name)s, unnest(%(hashes)s::bytea[]);

-- drop_codes
DELETE FROM recovery_code WHERE person = %(name)s;

-- use_code
DELETE FROM recovery_code WHERE person = %(name)s AND code_hash = %(hash)s;

-- of_provider
SELECT name, role, disabled_at FROM account WHERE sign_on_issuer = %(issuer)s AND sign_on_subject = %(subject)s;

-- tie
-- One that waits for this address, once.
UPDATE account SET sign_on_issuer = %(issuer)s, sign_on_subject = %(subject)s
WHERE lower(sign_on_mailbox) = lower(%(mailbox)s) AND sign_on_subject IS NULL
RETURNING name, role, disabled_at;

-- insert_tied
INSERT INTO account (name, role, created_at, sign_on_mailbox, sign_on_issuer, sign_on_subject)
VALUES (%(mailbox)s, %(role)s, %(now)s, %(mailbox)s, %(issuer)s, %(subject)s)
ON CONFLICT DO NOTHING;

-- await_mailbox
-- Whoever came by another address before comes no more.
UPDATE account SET sign_on_mailbox = %(mailbox)s, sign_on_issuer = NULL, sign_on_subject = NULL WHERE name = %(name)s;

-- is_awaited
SELECT FROM account WHERE lower(sign_on_mailbox) = lower(%(mailbox)s) AND name <> %(name)s;
