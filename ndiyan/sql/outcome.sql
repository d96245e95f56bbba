-- What the comparison asks of its own database.

-- shown
-- Messages that a handset has shown.
SELECT ref, phone, delivered_at FROM phone_inbox WHERE delivered_at IS NOT NULL ORDER BY delivered_at, ref;

-- reply
INSERT INTO phone_reply (phone, text, sent_at) VALUES (%(phone)s, %(text)s, %(now)s);

-- acknowledged
-- Alerts that somebody has taken on.
SELECT alert_id, zone_id, acknowledged_at FROM alert WHERE acknowledged_at IS NOT NULL ORDER BY alert_id;

-- counts
-- Alerts, those that the sensors closed, and messages that a handset has shown.
SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM alert WHERE state = 'resolved'),
       (SELECT count(*) FROM phone_inbox WHERE delivered_at IS NOT NULL);
