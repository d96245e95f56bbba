-- frame
-- What stands around every page: is anything fictional, how many alerts are live, when the alert service last worked.
SELECT coalesce((SELECT bool_or(is_fictional) FROM zone), false),
       (SELECT count(*) FROM alert WHERE state <> 'resolved' AND explained_by IS NULL),
       (SELECT max(beat_at) FROM heartbeat WHERE split_part(service, '@', 1) = 'alerts');
