-- engineers
-- Each phone once, however many zones its owner looks after.
SELECT DISTINCT ON (phone) contact_id, zone_id, phone, language FROM contact
WHERE role = 'ingenieur' AND is_active AND phone NOT IN (SELECT phone FROM opted_out) ORDER BY phone, contact_id;

-- queue
INSERT INTO notification (ref, zone_id, contact_id, phone, kind, step, reason, language, text, segments, urgency, route,
                          state, created_at, next_try_at, valid_until)
VALUES (%(ref)s, %(zone)s, %(contact)s, %(phone)s, 'credit', %(step)s, 'credit_is_low', %(language)s, %(text)s,
        %(segments)s, %(urgency)s, %(route)s, 'queued', %(now)s, %(now)s, %(valid_until)s);
