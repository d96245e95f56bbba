-- take_try
-- One out of the bucket, and 0; or, when less than one is in it, how many seconds it takes until one is. Two who ask at the
-- same moment take one after the other. A clock that was set back fills the bucket as well, or nobody could wait for it.
WITH tried AS (
    INSERT INTO login_try AS t (identity, content, at) VALUES (%(who)s, %(most)s - 1, %(now)s)
    ON CONFLICT (identity) DO UPDATE
    SET content = least(%(most)s, t.content + %(per_s)s * abs(extract(epoch FROM EXCLUDED.at - t.at))) - 1,
        at = EXCLUDED.at
    WHERE t.content + %(per_s)s * abs(extract(epoch FROM EXCLUDED.at - t.at)) >= 1
    RETURNING 1)
SELECT CASE WHEN EXISTS (SELECT FROM tried) THEN 0 ELSE coalesce((
    SELECT (1 - content) / %(per_s)s - abs(extract(epoch FROM %(now)s::timestamptz - at))
    FROM login_try WHERE identity = %(who)s), 1 / %(per_s)s) END::float8;

-- give_back
UPDATE login_try SET content = least(%(most)s, content + 1) WHERE identity = %(who)s;

-- forgive
DELETE FROM login_try WHERE identity = %(who)s;

-- forget_full
DELETE FROM login_try WHERE at <= %(full_since)s;

-- folded
-- A name as the look-up of accounts reads it.
SELECT lower(%(name)s);
