-- record
INSERT INTO audit_log (at, who, what, subject, zone_id, before, after)
VALUES (%(at)s, %(who)s, %(what)s, %(subject)s, %(zone)s, %(before)s::jsonb, %(after)s::jsonb);
