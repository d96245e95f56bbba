-- Whoever writes readings keeps in memory what is the newest of each channel and what its open hour holds. Writers take
-- turns, one transaction each, and one that was not the last to write reads anew.
CREATE TABLE writer_turn (holder text NOT NULL);
INSERT INTO writer_turn VALUES ('');

-- Take the turn until the end of the transaction; whether somebody else wrote since the last turn of `me`.
CREATE FUNCTION take_writer_turn(me text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ndiyan writer'));
    UPDATE writer_turn SET holder = me WHERE holder <> me;
    RETURN FOUND;
END $$;
