-- ask
INSERT INTO rule_trial (parameter, zone_id, value, start_at, end_at, asked_by, asked_at, total)
VALUES (%(parameter)s, %(zone)s, %(value)s, %(start)s, %(end)s, %(who)s, %(now)s, %(total)s) RETURNING rule_trial_id;

-- one
SELECT rule_trial_id, parameter, zone_id, value, start_at, end_at, asked_by, asked_at, done, total, result, error,
       result IS NULL AND error IS NULL AND now() - beat_at > %(after)s
FROM rule_trial WHERE rule_trial_id = %(trial)s;

-- of_parameter
SELECT rule_trial_id, parameter, zone_id, value, start_at, end_at, asked_by, asked_at, done, total, result, error,
       result IS NULL AND error IS NULL AND now() - beat_at > %(after)s
FROM rule_trial WHERE parameter = %(parameter)s ORDER BY rule_trial_id DESC LIMIT %(limit)s;

-- beat
UPDATE rule_trial SET done = %(done)s, total = %(total)s, beat_at = now() WHERE rule_trial_id = %(trial)s;

-- finish
UPDATE rule_trial SET result = %(result)s::jsonb, done = total, beat_at = now() WHERE rule_trial_id = %(trial)s;

-- fail
UPDATE rule_trial SET error = %(error)s WHERE rule_trial_id = %(trial)s;

-- said
-- Recorded alerts since an instant of measured time, with what people said of each last.
SELECT a.zone_id, a.fault, a.asset_id, a.first_evidence_at, a.cleared_at, said.is_true
FROM alert a JOIN alert_said said USING (alert_id)
WHERE a.cleared_at IS NULL OR a.cleared_at >= %(start)s;

-- people
SELECT zone_id, name, role, phone, language, tap FROM contact WHERE is_active ORDER BY zone_id, rank;
