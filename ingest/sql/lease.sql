-- shorten_patience
-- The server ends this session when it says nothing for so long.
SELECT set_config('idle_session_timeout', %(silent)s, false);

-- take
-- True also when this session has it already.
SELECT pg_try_advisory_lock(hashtext('ndiyan ingest'), %(worker)s);

-- renew
SELECT;

-- take_pen
SELECT pg_try_advisory_lock(hashtext('ndiyan ingest writes'), %(worker)s);

-- end_who_writes
-- Waits until it is gone, a second at most.
SELECT pg_terminate_backend(pid, 1000) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND classid::int8 = hashtext('ndiyan ingest writes')::int8 & 4294967295 AND objid::int8 = %(worker)s;
