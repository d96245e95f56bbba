-- How often somebody tried to log in: buckets that fill again, by the name that is tried and by the address that tries,
-- neither of which can be read here. Several web services count together. After a crash of the database all are full.
CREATE UNLOGGED TABLE login_try (
    identity      bytea PRIMARY KEY,
    content       double precision NOT NULL,
    at            timestamptz NOT NULL
);
CREATE INDEX login_try_at ON login_try (at);
