-- key
SELECT key FROM forgotten_key;

-- known
SELECT DISTINCT number_hash FROM forgotten WHERE number_hash = ANY(%(hashes)s) AND again_at IS NULL;

-- again
UPDATE forgotten SET again_at = %(now)s WHERE number_hash = %(hash)s AND again_at IS NULL;
