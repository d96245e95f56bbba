-- Files of readings that people bring: kept as they came for 90 days, read as `layout` says, and how far that has come.

CREATE TABLE backlog_file (
    backlog_file_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL,
    made_at       timestamptz NOT NULL,
    made_by       text NOT NULL,
    size          bigint NOT NULL,
    layout        jsonb NOT NULL,
    state         text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'asked', 'done', 'failed')),
    beat_at       timestamptz,                       -- the world's time: a process that reads it lives
    done          bigint NOT NULL DEFAULT 0,         -- bytes read
    rows          bigint NOT NULL DEFAULT 0,
    stored        bigint NOT NULL DEFAULT 0,
    duplicate     bigint NOT NULL DEFAULT 0,
    conflict      bigint NOT NULL DEFAULT 0,
    set_aside     bigint NOT NULL DEFAULT 0,
    problems      jsonb NOT NULL DEFAULT '[]',       -- the first ones, with their lines
    error         text
);
CREATE INDEX backlog_file_made ON backlog_file (made_at DESC);

CREATE TABLE backlog_part (
    backlog_file_id bigint NOT NULL REFERENCES backlog_file ON DELETE CASCADE,
    part          integer NOT NULL,
    body          bytea NOT NULL,
    PRIMARY KEY (backlog_file_id, part)
);
