-- gateways
-- The gateway in whose account a backlog of each zone stands.
SELECT zone_id, min(gateway_id) FROM gateway WHERE is_active GROUP BY zone_id;

-- make_file
INSERT INTO backlog_file (name, made_at, made_by, size, layout) VALUES (%(name)s, %(now)s, %(who)s, 0, %(layout)s::jsonb)
RETURNING backlog_file_id;

-- keep_part
INSERT INTO backlog_part (backlog_file_id, part, body) VALUES (%(file)s, %(part)s, %(body)b);

-- sized
UPDATE backlog_file SET size = %(size)s WHERE backlog_file_id = %(file)s;

-- part
SELECT body FROM backlog_part WHERE backlog_file_id = %(file)s AND part = %(part)s;

-- file
-- A file that nobody has read on for a while was interrupted: the process ended, or the database was away.
SELECT backlog_file_id, name, made_at, made_by, size, layout,
       CASE WHEN state = 'asked' AND now() - beat_at > %(after)s THEN 'interrupted' ELSE state END, done, rows, stored,
       duplicate, conflict, set_aside, problems, error
FROM backlog_file WHERE backlog_file_id = %(file)s;

-- files
SELECT backlog_file_id, name, made_at, made_by, size, layout,
       CASE WHEN state = 'asked' AND now() - beat_at > %(after)s THEN 'interrupted' ELSE state END, done, rows, stored,
       duplicate, conflict, set_aside, '[]'::jsonb, error
FROM backlog_file ORDER BY made_at DESC, backlog_file_id DESC LIMIT %(limit)s;

-- lay_out
UPDATE backlog_file SET layout = %(layout)s::jsonb WHERE backlog_file_id = %(file)s AND state = 'waiting';

-- ask
UPDATE backlog_file SET state = 'asked', beat_at = now(), error = NULL
WHERE backlog_file_id = %(file)s
  AND (state IN ('waiting', 'failed') OR (state = 'asked' AND now() - beat_at > %(after)s))
RETURNING size, layout ->> 'zone';

-- take_interrupted
-- Whoever takes them beats for them, so that nobody else does.
UPDATE backlog_file SET beat_at = now() WHERE state = 'asked' AND now() - beat_at > %(after)s RETURNING backlog_file_id;

-- begin
UPDATE backlog_file SET beat_at = now(), done = 0, rows = 0, stored = 0, duplicate = 0, conflict = 0, set_aside = 0, problems = '[]'
WHERE backlog_file_id = %(file)s;

-- beat
UPDATE backlog_file SET beat_at = now(), done = %(done)s, rows = %(rows)s, stored = %(stored)s, duplicate = %(duplicate)s,
    conflict = %(conflict)s, set_aside = %(set_aside)s, problems = %(problems)s::jsonb
WHERE backlog_file_id = %(file)s;

-- finish
UPDATE backlog_file SET state = 'done', done = size WHERE backlog_file_id = %(file)s;

-- fail
UPDATE backlog_file SET state = 'failed', error = %(error)s WHERE backlog_file_id = %(file)s;
