-- The demo's people and what breaks: rows of demo_fault through their life.

-- insert_fault
-- A fault that the scenario foresees, shown like one that somebody asked for on the page.
INSERT INTO demo_fault (zone_id, fault, size, asked_by, asked_at, starts_at)
VALUES (%(zone)s, %(fault)s, %(size)s, %(asked_by)s, %(now)s, %(starts_at)s);

-- due_faults
-- What must begin now.
SELECT demo_fault_id, zone_id, fault, size, starts_at FROM demo_fault
WHERE started_at IS NULL AND repaired_at IS NULL AND starts_at <= %(now)s ORDER BY demo_fault_id;

-- running_faults
-- What was begun and is not repaired.
SELECT demo_fault_id, zone_id, fault, size, started_at FROM demo_fault
WHERE started_at IS NOT NULL AND repaired_at IS NULL ORDER BY demo_fault_id;

-- mark_started
UPDATE demo_fault SET started_at = %(started_at)s WHERE demo_fault_id = %(id)s;

-- send_repairer
-- The repairer sets out when the committee has acknowledged the alert that this fault caused; in the end he comes anyway.
UPDATE demo_fault f SET repair_at = LEAST(
    (SELECT min(a.acknowledged_at) + %(after)s FROM alert a
     WHERE a.zone_id = f.zone_id AND a.fault = f.fault AND a.opened_at >= f.started_at),
    CASE WHEN f.started_at + %(anyway_after)s <= %(now)s THEN %(now)s END)
WHERE f.demo_fault_id = %(id)s AND f.repair_at IS NULL;

-- due_repairs
SELECT demo_fault_id, zone_id, fault FROM demo_fault
WHERE repair_at <= %(now)s AND repaired_at IS NULL ORDER BY demo_fault_id;

-- mark_repaired
UPDATE demo_fault SET repaired_at = %(now)s WHERE demo_fault_id = %(id)s;

-- unanswered
-- Handsets that showed the first message about something broken long ago, while nobody has answered from them.
SELECT DISTINCT ON (a.alert_id) n.phone
FROM demo_fault f
JOIN alert a ON a.zone_id = f.zone_id AND a.state = 'open' AND a.opened_at >= f.started_at AND NOT a.is_late
JOIN notification n ON n.alert_id = a.alert_id
    AND n.delivered_at <= CASE WHEN f.asked_by = %(foreseen)s THEN %(foreseen_before)s ELSE %(asked_before)s END
WHERE f.repaired_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM phone_reply r WHERE r.phone = n.phone AND r.sent_at >= n.delivered_at)
ORDER BY a.alert_id, n.notification_id;

-- reply
INSERT INTO phone_reply (phone, text, sent_at) VALUES (%(phone)s, '1', %(now)s);
