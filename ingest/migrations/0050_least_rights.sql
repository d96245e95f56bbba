-- Services may have database roles of their own, which own nothing (`ndiyan db roles`). What they do through the owner is
-- this, and these functions look for tables nowhere but here: nobody slips one of their own under a name.
ALTER FUNCTION ensure_reading_partition(timestamptz) SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION ensure_reading_partition(timestamptz) FROM PUBLIC;
ALTER FUNCTION tell_webhooks() SET search_path = public, pg_temp;
