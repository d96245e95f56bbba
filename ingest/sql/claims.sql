-- claims
-- Who hears which zone besides the first worker, whether for so long that whatever broker there is knows, and since when
-- it is asked whether it does.
SELECT zone_id, worker, is_leaving, is_passed,
    coalesce(heard_at > doubted_at AND clock_timestamp() - heard_at > %(settled)s, false),
    CASE WHEN heard_at > doubted_at THEN NULL ELSE doubted_at END
FROM zone_claim;

-- doubt
-- The broker had no session of the first worker: it may have lost those of the others with it.
UPDATE zone_claim SET doubted_at = clock_timestamp();

-- heard
-- An answer to what was asked until then; what is asked later waits for another.
UPDATE zone_claim SET heard_at = clock_timestamp()
WHERE worker = %(worker)s AND zone_id = ANY(%(zones)s) AND doubted_at <= %(doubted)s;

-- sharable
-- Devices of a zone are heard on topics that tell no zone, so the first worker keeps such zones whole.
SELECT zone_id FROM zone z WHERE NOT EXISTS (SELECT FROM device d WHERE d.zone_id = z.zone_id AND d.is_active);

-- begin_turns
INSERT INTO writer_turn (worker, holder) VALUES (%(worker)s, '') ON CONFLICT DO NOTHING;

-- move
-- Whoever writes these zones has ended before, and reads anew whose they are before it goes on.
SELECT take_writer_turns('', ARRAY[1, %(worker)s]);

-- claim
INSERT INTO zone_claim (zone_id, worker) SELECT zone, %(worker)s FROM unnest(%(zones)s::text[]) AS zone
ON CONFLICT DO NOTHING;

-- leave
UPDATE zone_claim SET is_leaving = true WHERE worker = %(worker)s AND zone_id = ANY(%(zones)s);

-- give_back
DELETE FROM zone_claim WHERE worker = %(worker)s AND zone_id = ANY(%(zones)s) AND is_leaving AND NOT is_passed;

-- pass_over
UPDATE zone_claim SET is_passed = true WHERE zone_id = ANY(%(zones)s) AND NOT is_leaving RETURNING zone_id;

-- hear_again
UPDATE zone_claim SET is_passed = false WHERE zone_id = ANY(%(zones)s);

-- workers
-- That have a zone, or were heard of and did not take their leave.
SELECT worker FROM zone_claim
UNION SELECT substr(service, 8)::integer FROM heartbeat WHERE service ~ '^ingest@[0-9]+$'
ORDER BY worker;
