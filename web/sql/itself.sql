-- What the page about Ndiyan itself asks; reads only.

-- routes_down
-- A route that is in the settings is asked every few minutes; one that was taken out of them is no trouble.
SELECT carrier, since FROM carrier_state WHERE NOT is_up AND asked_at > %(since)s ORDER BY carrier;

-- unjudged
SELECT count(*) FROM job WHERE last_error IS NOT NULL;

-- failed
SELECT count(*) FROM notification WHERE state = 'failed' AND created_at > %(since)s;

-- floods
-- Of whom so many bytes a day wait set aside that they fill the disk; a row costs some 240 besides, with its indexes.
SELECT coalesce(zone_id || '/' || gateway_id, topic), min(gateway_id), count(*),
       sum(octet_length(payload) + octet_length(topic) + octet_length(detail) + 240)::int8
FROM set_aside WHERE received_at > %(since)s AND replayed_at IS NULL
GROUP BY 1 HAVING sum(octet_length(payload) + octet_length(topic) + octet_length(detail) + 240) > %(most)s
ORDER BY 4 DESC LIMIT 5;

-- size
-- Bytes of the whole database, and the first day of which it has readings.
SELECT pg_database_size(current_database()), (SELECT min(day) FROM reading_day);

-- refused
SELECT topic FROM heartbeat CROSS JOIN jsonb_array_elements_text(detail -> 'refused') AS topic
WHERE split_part(service, '@', 1) = 'ingest' ORDER BY topic;

-- tidied
-- When what nobody needs any more was let go of last, and of each kind how long it is kept and how many rows went.
SELECT beat_at, detail FROM heartbeat WHERE service = 'housekeeping';
