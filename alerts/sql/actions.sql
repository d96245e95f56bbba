-- acknowledge
UPDATE alert SET state = 'acknowledged', acknowledged_at = %(now)s, acknowledged_by = %(who)s
WHERE alert_id = %(alert)s AND state = 'open' RETURNING alert_id;

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);

-- severity_of_live
SELECT severity FROM alert WHERE alert_id = %(alert)s AND state <> 'resolved' FOR UPDATE;

-- shelve
UPDATE alert SET shelved_until = %(until)s, shelved_by = %(who)s, shelved_why = %(why)s WHERE alert_id = %(alert)s;

-- unshelve
UPDATE alert SET shelved_until = NULL, shelved_by = NULL, shelved_why = NULL
WHERE alert_id = %(alert)s AND shelved_until > %(now)s RETURNING alert_id;

-- last_mark
SELECT kind FROM alert_event
WHERE alert_id = %(alert)s AND kind IN ('confirmed', 'repair_claimed', 'false_alarm_claimed')
ORDER BY at DESC, event_id DESC LIMIT 1;

-- look_again
-- The ladder asks anew what is to be done.
UPDATE ladder SET due_at = %(at)s WHERE alert_id = %(alert)s;
