-- acknowledge
UPDATE alert SET state = 'acknowledged', acknowledged_at = %(now)s, acknowledged_by = %(who)s
WHERE alert_id = %(alert)s AND state = 'open' RETURNING alert_id;

-- insert_event
INSERT INTO alert_event (alert_id, at, kind, who, detail)
VALUES (%(alert)s, %(at)s, %(kind)s, %(who)s, %(detail)s::jsonb);
