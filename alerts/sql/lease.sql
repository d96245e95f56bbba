-- What one of several services may do at a time.

-- may_send
-- Several of us may. One of the release before this, which knew of no other, would have it for itself.
SELECT pg_try_advisory_lock_shared(hashtext('ndiyan sender'));

-- take_routes
-- Those that nobody else has; they are ours as long as this connection lives.
SELECT name FROM unnest(%(names)s::text[]) AS n (name) WHERE pg_try_advisory_lock(hashtext('ndiyan route ' || name));

-- take_turn
SELECT pg_advisory_xact_lock(hashtext('ndiyan outbox'));

-- still_here
SELECT;
