-- Whoever stores readings may raise a flag, and change nothing else of what is stored. That a right to the column `flag`
-- alone would say too, but TimescaleDB refuses rights to columns of a table that is stored by column.
CREATE OR REPLACE FUNCTION flag_bad(channel integer, at timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    UPDATE reading SET flag = 4 WHERE channel_id = channel AND measured_at = at;
END $$;
ALTER FUNCTION flag_suspect(integer[], timestamptz[]) SECURITY DEFINER SET search_path = public, pg_temp;
REVOKE EXECUTE ON FUNCTION flag_bad(integer, timestamptz), flag_suspect(integer[], timestamptz[]) FROM PUBLIC;
