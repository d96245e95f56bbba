-- insert
INSERT INTO demo_fault (zone_id, fault, asked_by, asked_at, starts_at)
VALUES (%(zone)s, %(fault)s, %(who)s, %(now)s, %(now)s) RETURNING demo_fault_id;

-- busy
-- What keeps a zone from being broken once more: something not yet repaired, or an alert of its kind still live.
SELECT (SELECT max(demo_fault_id) FROM demo_fault WHERE zone_id = %(zone)s AND repaired_at IS NULL),
       (SELECT max(alert_id) FROM alert WHERE zone_id = %(zone)s AND fault = %(fault)s AND state <> 'resolved');

-- list
SELECT d.demo_fault_id, d.zone_id, z.name, d.fault, d.asked_by, d.asked_at, d.starts_at, d.started_at, d.repair_at,
       d.repaired_at
FROM demo_fault d JOIN zone z USING (zone_id) ORDER BY d.demo_fault_id DESC LIMIT %(limit)s;

-- one
SELECT d.demo_fault_id, d.zone_id, z.name, d.fault, d.asked_by, d.asked_at, d.starts_at, d.started_at, d.repair_at,
       d.repaired_at
FROM demo_fault d JOIN zone z USING (zone_id) WHERE d.demo_fault_id = %(id)s;

-- alert
-- The first alert of this zone about the fault that was opened after it was asked for.
SELECT alert_id FROM alert
WHERE zone_id = %(zone)s AND fault = %(fault)s AND opened_at >= %(since)s
ORDER BY opened_at, alert_id LIMIT 1;

-- shown_at
-- When the handset first showed one of the messages that told of an alert.
SELECT min(i.delivered_at) FROM notification n JOIN phone_inbox i USING (ref)
WHERE n.alert_id = %(alert)s AND n.kind = 'opened';
