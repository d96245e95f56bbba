-- People who log in. Their name is the `person` of links and sessions and stands beside what they do: it never changes,
-- and an account is disabled rather than deleted. Secrets are hashes, but for that of the second factor.
CREATE TABLE account (
    name          text PRIMARY KEY CHECK (name = btrim(name) AND length(name) BETWEEN 1 AND 60),
    role          text NOT NULL CHECK (role IN ('viewer', 'secretary', 'engineer', 'administrator')),
    zone_id       text,                -- a secretary's; zones are never deleted
    password      text,                -- argon2id; null: by link only
    totp_secret   text,                -- RFC 6238, once its owner has shown a code of it
    totp_offered  text,                -- one that waits for such a code
    totp_step     bigint NOT NULL DEFAULT 0, -- half minutes since 1970 of the last code that opened: none opens twice
    created_at    timestamptz NOT NULL,
    entered_at    timestamptz,         -- when a session was last opened
    disabled_at   timestamptz,
    CONSTRAINT account_zone CHECK ((role = 'secretary') = (zone_id IS NOT NULL))
);
CREATE UNIQUE INDEX account_name ON account (lower(name));

-- What opens once in place of a code, when the phone that makes them is gone.
CREATE TABLE recovery_code (
    person        text NOT NULL REFERENCES account,
    code_hash     bytea NOT NULL,
    PRIMARY KEY (person, code_hash)
);

ALTER TABLE login_link ADD COLUMN purpose text NOT NULL DEFAULT 'session' CHECK (purpose IN ('session', 'password'));
CREATE INDEX web_session_person ON web_session (person);

-- Whoever is in stays in.
INSERT INTO account (name, role, created_at)
SELECT DISTINCT ON (lower(btrim(person))) btrim(person), 'engineer', now()
FROM (SELECT person FROM web_session WHERE expires_at > now()
      UNION ALL SELECT person FROM login_link WHERE used_at IS NULL AND expires_at > now()) known
WHERE length(btrim(person)) BETWEEN 1 AND 60;
