-- From a plain database to TimescaleDB. The new table grows in a schema of its own, `ndiyan_conversion`, until it takes
-- the place of the old one.

-- offered
-- The version that the server offers or the database has, and whether the table of readings is ours.
SELECT coalesce((SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
                (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb')),
       (SELECT tableowner FROM pg_tables WHERE schemaname = 'public' AND tablename = 'reading'), current_user;

-- parts
-- Each week of the plain table: from when to when, bytes with indexes, and readings as last counted (-1 for never).
SELECT (regexp_match(bound, $$FROM \('([^']+)'\)$$))[1]::timestamptz, (regexp_match(bound, $$TO \('([^']+)'\)$$))[1]::timestamptz,
       pg_total_relation_size(oid), reltuples::bigint
FROM (SELECT c.oid, c.reltuples, pg_get_expr(c.relpartbound, c.oid) AS bound FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'public.reading'::regclass) AS part ORDER BY 1;

-- is_begun
SELECT FROM pg_namespace WHERE nspname = 'ndiyan_conversion';

-- begin
-- Then the migrations of TimescaleDB make table, functions and policy there, as they do in an empty database.
CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public;
CREATE SCHEMA ndiyan_conversion;
SET LOCAL search_path = ndiyan_conversion, public;

-- column_after
-- After how long a week is stored by column, no row where the licence has no columns.
SELECT (config ->> 'compress_after')::interval FROM timescaledb_information.jobs
WHERE hypertable_schema = 'ndiyan_conversion' AND hypertable_name = 'reading';

-- hold
-- Nobody stores readings until the end of the transaction; whoever reads goes on. Each worker of ingest waits at its turn,
-- before it has touched the table, so that nobody holds what the other waits for.
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT take_writer_turns('', array_agg(worker ORDER BY worker)) FROM writer_turn;
LOCK TABLE public.reading IN SHARE MODE;

-- tally_old
SELECT count(*), coalesce(sum(hash_record_extended(ROW(channel_id, flag, measured_at, received_at, value), 0)), 0)
FROM public.reading WHERE measured_at >= %(start)s AND measured_at < %(end)s;

-- tally_new
SELECT count(*), coalesce(sum(hash_record_extended(ROW(channel_id, flag, measured_at, received_at, value), 0)), 0)
FROM ndiyan_conversion.reading WHERE measured_at >= %(start)s AND measured_at < %(end)s;

-- forget_week
SELECT drop_chunks('ndiyan_conversion.reading', older_than => %(end)s::timestamptz, newer_than => %(start)s::timestamptz);

-- copy_week
INSERT INTO ndiyan_conversion.reading (channel_id, flag, measured_at, received_at, value)
SELECT channel_id, flag, measured_at, received_at, value FROM public.reading
WHERE measured_at >= %(start)s AND measured_at < %(end)s;

-- column_week
SELECT compress_chunk(chunk) FROM show_chunks(
    'ndiyan_conversion.reading', older_than => %(end)s::timestamptz, newer_than => %(start)s::timestamptz) AS chunk;

-- rights
-- Whoever may do something with the old table may do so with the new one. Rights to single columns have no place there.
SELECT format('GRANT %s ON ndiyan_conversion.reading TO %s%s', privilege_type,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_class, aclexplode(relacl) WHERE oid = 'public.reading'::regclass AND grantee <> relowner;

-- views
-- Views that read the old table, as statements that make them read the new one; rights on them stay.
SELECT format('CREATE OR REPLACE VIEW %I.%I%s AS %s', n.nspname, v.relname,
              coalesce(' WITH (' || array_to_string(v.reloptions, ', ') || ')', ''), pg_get_viewdef(v.oid))
FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace
WHERE v.relkind = 'v' AND v.oid IN (
    SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = 'public.reading'::regclass);

-- functions
-- The functions that differ, as statements that put the new ones in the place of the old; rights on them stay.
SELECT replace(pg_get_functiondef(oid), 'FUNCTION ndiyan_conversion.', 'FUNCTION public.') FROM pg_proc
WHERE pronamespace = 'ndiyan_conversion'::regnamespace;

-- definers
-- Of these functions, those which whoever calls them calls as the owner, as statements.
SELECT format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = public, pg_temp', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND prosecdef
  AND proname IN (SELECT proname FROM pg_proc WHERE pronamespace = 'ndiyan_conversion'::regnamespace);

-- new_first
-- Names mean the new table where there are two.
SET LOCAL search_path = ndiyan_conversion, public;

-- old_names
SET LOCAL search_path = public;

-- alone
-- Whoever reads as well waits from here to the end of the transaction, which is a moment.
LOCK TABLE public.reading IN ACCESS EXCLUSIVE MODE;

-- replace
DROP TABLE public.reading;
ALTER TABLE ndiyan_conversion.reading SET SCHEMA public;
DROP SCHEMA ndiyan_conversion CASCADE;
UPDATE public.migration SET variant = 'timescale';

-- settle
ANALYZE reading;

-- size
SELECT hypertable_size('public.reading');
