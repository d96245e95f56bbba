-- watermark
-- Each channel's zone and newest stored time [µs since 1970, the least number for never]; the key is the judge, this
-- only tells what is surely new. What people read by hand says nothing about how far a zone's gateway has come.
SELECT channel_id, CASE WHEN by_hand_of IS NULL THEN zone_id ELSE '' END,
    coalesce((extract(epoch FROM measured_at) * 1000000)::int8, -9223372036854775808), coalesce(worker, 1)
FROM channel LEFT JOIN latest USING (channel_id) LEFT JOIN zone_claim USING (zone_id)
WHERE %(only)s::integer IS NULL OR channel_id = %(only)s;

-- take_turn
SELECT take_writer_turns(%(me)s, %(workers)s);

-- ensure_week
SELECT ensure_reading_partition(%(week)s);

-- copy_reading
COPY reading (channel_id, flag, measured_at, received_at, value) FROM STDIN (FORMAT binary);

-- look_up
SELECT absent, differing FROM look_up_readings(%(channel)s, %(measured)s, %(value)s, %(start)s, %(end)s);

-- insert_conflicts
-- Another value for a channel and time that is already stored.
INSERT INTO reading_conflict (channel_id, measured_at, value, received_at)
SELECT * FROM unnest(%(channel)s, %(measured)s, %(value)s, %(received)s)
ON CONFLICT DO NOTHING;

-- update_latest
UPDATE latest l SET measured_at = t.measured_at, received_at = t.received_at, value = t.value, flag = t.flag
FROM unnest(%(channel)s, %(measured)s, %(received)s, %(value)s, %(flag)s)
     AS t (channel_id, measured_at, received_at, value, flag)
WHERE l.channel_id = t.channel_id AND l.measured_at < t.measured_at;

-- insert_latest
INSERT INTO latest (channel_id, measured_at, received_at, value, flag)
SELECT * FROM unnest(%(channel)s, %(measured)s, %(received)s, %(value)s, %(flag)s)
ON CONFLICT DO NOTHING;

-- channels
SELECT channel_id, asset_id, name, wraps_at FROM channel
WHERE %(only)s::integer IS NULL OR channel_id = %(only)s;

-- flag_suspect
-- Readings that turn out to be spikes once the next one has come.
SELECT flag_suspect(%(channel)s, %(measured)s);

-- note
-- Which test a reading failed.
INSERT INTO reading_note (channel_id, measured_at, test)
SELECT channel_id, measured_at, %(test)s FROM unnest(%(channel)s, %(measured)s) AS t (channel_id, measured_at)
ON CONFLICT DO NOTHING;

-- flag_bad
-- A reading that its author took back.
SELECT flag_bad(%(channel)s, %(measured)s);

-- flag_latest_bad
UPDATE latest SET flag = 4 WHERE channel_id = %(channel)s AND measured_at = %(measured)s;
