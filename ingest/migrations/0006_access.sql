-- Who may look: one-time links, sessions and API keys. Only hashes (SHA-256) of secrets are kept.

CREATE TABLE login_link (
    token_hash    bytea PRIMARY KEY,
    person        text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);

CREATE TABLE web_session (
    token_hash    bytea PRIMARY KEY,
    person        text NOT NULL,
    csrf          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);

CREATE TABLE api_key (
    key_hash      bytea PRIMARY KEY,
    prefix        text NOT NULL,
    name          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);
