-- What backups ask of a database.

-- tables
-- Ours: not the weeks that readings are kept in, and nothing of an extension.
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname;

-- server
SELECT current_setting('server_version_num')::integer / 10000, pg_database_size(current_database()),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb');

-- roles
-- Who has rights here or owns something, but for the server's own.
SELECT r.rolname FROM pg_roles r
WHERE r.rolname NOT LIKE 'pg\_%' AND NOT r.rolsuper AND EXISTS (
    SELECT FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
    WHERE b.datname = current_database() AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid)
ORDER BY r.rolname;

-- snapshot
SELECT pg_export_snapshot();

-- others
-- Sessions of others on a database.
SELECT DISTINCT coalesce(nullif(application_name, ''), usename, '?') FROM pg_stat_activity
WHERE datname = %(name)s AND backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY 1;

-- has_sessions
SELECT to_regclass('public.web_session') IS NOT NULL;

-- end_sessions
DELETE FROM web_session;

-- void_links
UPDATE login_link SET used_at = now() WHERE used_at IS NULL;
