-- refuse
-- What makes a row bad here.
ALTER TABLE reading ADD CONSTRAINT no_poison CHECK (value <> 7);

-- empty
TRUNCATE reading, latest, gateway_boot, gateway_day, reading_hour, reading_day, reading_note, set_aside;
