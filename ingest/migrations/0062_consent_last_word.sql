-- Whose last word was STOP: the last that was written down, not the one with the latest time. While the clock is ahead a
-- word is written with a time to come, and once it was set back every later one would look older.
CREATE OR REPLACE VIEW opted_out WITH (security_invoker = true) AS
SELECT phone, at FROM consent_log c
WHERE what = 'opt_out' AND NOT EXISTS (SELECT FROM consent_log l WHERE l.phone = c.phone AND l.consent_id > c.consent_id);
