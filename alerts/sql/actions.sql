-- acknowledge
UPDATE alert SET state = 'acknowledged', acknowledged_at = %(now)s, acknowledged_by = %(who)s
WHERE alert_id = %(alert)s AND state = 'open' RETURNING alert_id;

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);

-- severity_of_live
-- Locks the alert, but not against who adds to its story: the ladder does, and has in hand what we want next.
SELECT severity FROM alert WHERE alert_id = %(alert)s AND state <> 'resolved' FOR NO KEY UPDATE;

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

-- assign
UPDATE alert SET assigned_to = %(to)s
WHERE alert_id = %(alert)s AND state <> 'resolved' AND assigned_to IS DISTINCT FROM %(to)s RETURNING alert_id;

-- close
-- What was live ends now, by hand: its end is what somebody says, not what a reading showed.
UPDATE alert SET cause = %(cause)s, closed_at = %(now)s, closed_by = %(who)s, state = 'resolved',
    ended_by_hand = state <> 'resolved', cleared_at = CASE WHEN state = 'resolved' THEN cleared_at ELSE %(now)s END,
    resolved_at = CASE WHEN state = 'resolved' THEN resolved_at ELSE %(now)s END
WHERE alert_id = %(alert)s AND closed_at IS NULL RETURNING ended_by_hand;

-- reopen
-- Not when the same fault has become another alert meanwhile.
UPDATE alert a SET cause = NULL, closed_at = NULL, closed_by = NULL, ended_by_hand = false,
    state = CASE WHEN NOT ended_by_hand THEN state WHEN acknowledged_at IS NULL THEN 'open' ELSE 'acknowledged' END,
    cleared_at = CASE WHEN ended_by_hand THEN NULL ELSE cleared_at END,
    resolved_at = CASE WHEN ended_by_hand THEN NULL ELSE resolved_at END
WHERE alert_id = %(alert)s AND closed_at >= %(since)s
  AND NOT (ended_by_hand AND EXISTS (
      SELECT FROM alert b WHERE (b.zone_id, b.fault, b.asset_id) = (a.zone_id, a.fault, a.asset_id)
        AND b.state <> 'resolved'))
RETURNING alert_id;

-- count_photos
-- Locks the alert, so that two uploads at once keep to the bound.
SELECT (SELECT count(*) FROM alert_photo p WHERE p.alert_id = a.alert_id)
FROM alert a WHERE a.alert_id = %(alert)s FOR NO KEY UPDATE OF a;

-- insert_photo
INSERT INTO alert_photo (alert_id, added_at, added_by, shows, width, height, jpeg, sha256)
VALUES (%(alert)s, %(now)s, %(who)s, %(shows)s, %(width)s, %(height)s, %(jpeg)s, %(sha256)s)
ON CONFLICT (alert_id, sha256) DO NOTHING RETURNING photo_id;
