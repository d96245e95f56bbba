-- waiting
SELECT set_aside_id FROM set_aside
WHERE replayed_at IS NULL AND set_aside_id > %(after)s
  AND (%(zone)s::text IS NULL OR coalesce(zone_id, '') = %(zone)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY set_aside_id LIMIT %(limit)s;

-- take
-- Locked until its replay is over: of two who replay it at once the second finds it done.
SELECT topic, payload, (extract(epoch FROM received_at) * 1000000)::int8, reason, zone_id
FROM set_aside WHERE set_aside_id = %(id)s AND replayed_at IS NULL FOR UPDATE;

-- mark
UPDATE set_aside SET replayed_at = %(now)s WHERE set_aside_id = %(id)s;

-- raw
-- Messages that profiles read, oldest first, after one id; locked by nobody: reading them again is harmless.
SELECT raw_message_id, topic, payload, (extract(epoch FROM received_at) * 1000000)::int8
FROM raw_message
WHERE raw_message_id > %(after)s
  AND (%(profile)s::text IS NULL OR profile = %(profile)s)
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY raw_message_id LIMIT %(limit)s;

-- count_raw
SELECT count(*) FROM raw_message
WHERE (%(profile)s::text IS NULL OR profile = %(profile)s)
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s);

-- births_before
-- The last birth of each registered device that was born before one message, as it came.
SELECT DISTINCT ON (topic) topic, payload FROM raw_message
WHERE raw_message_id < %(first)s AND topic ~ '^spBv1\.0/[^/]+/[ND]BIRTH/'
  AND regexp_replace(topic, '^spBv1\.0/([^/]+)/[ND]BIRTH/', '\1/') IN (SELECT device_id FROM device WHERE is_active)
ORDER BY topic, raw_message_id DESC;

-- not_born_since
SELECT source FROM sparkplug_birth WHERE received_at <= %(at)s AND source = ANY (%(sources)s);
