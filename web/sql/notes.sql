-- of_channel
-- The tests that readings of a channel failed, and what the device's clock said of those that were dated anew.
SELECT (extract(epoch FROM measured_at) * 1000000)::int8, array_agg(test ORDER BY test), max(device_at)
FROM reading_note WHERE channel_id = %(channel)s AND measured_at >= %(start)s AND measured_at < %(end)s
GROUP BY measured_at;

-- of_latest
SELECT channel_id, array_agg(n.test ORDER BY n.test), max(n.device_at)
FROM latest l JOIN channel c USING (channel_id) JOIN reading_note n USING (channel_id, measured_at)
WHERE %(zone)s::text IS NULL OR c.zone_id = %(zone)s GROUP BY channel_id;

-- of_zone
-- How many readings of a zone failed each test.
SELECT n.test, count(*) FROM channel c JOIN reading_note n USING (channel_id)
WHERE c.zone_id = %(zone)s AND n.measured_at >= %(start)s AND n.measured_at < %(end)s
GROUP BY n.test ORDER BY count(*) DESC, n.test;
