-- What a soak asks of the database, beside what its oracle asks.

-- can_look
-- From PostgreSQL's own contributions: reads whole tables and so tells dead rows as they are, which the statistics
-- forget at every crash.
CREATE EXTENSION IF NOT EXISTS pgstattuple;

-- tables
-- Rows, size, dead and free room in it, and indexes, of each table with all its parts [bytes].
SELECT coalesce(pg_partition_root(c.oid), c.oid)::regclass::text, sum(s.tuple_count), sum(pg_table_size(c.oid)),
       sum(s.dead_tuple_count), sum(s.dead_tuple_len + s.free_space), sum(pg_indexes_size(c.oid))
FROM pg_class c CROSS JOIN LATERAL pgstattuple(c.oid) s
WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace GROUP BY 1;

-- connections
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid();

-- readings_before
SELECT count(*), coalesce(sum(hashtextextended((channel_id, measured_at, value, flag)::text, 0)), 0)::text
FROM reading WHERE received_at < %(before)s;

-- alerts
SELECT alert_id, zone_id, fault, opened_at FROM alert;

-- notifications
SELECT notification_id, phone, text FROM notification;
