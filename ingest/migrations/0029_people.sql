-- What people report is closed by somebody, with a cause; and who asks to be forgotten is.
ALTER TABLE report
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN cause text,
    ADD COLUMN told_at timestamptz,                  -- its end was told to who reported it: once, however often it is closed
    ADD CONSTRAINT report_closed CHECK (num_nonnulls(closed_at, closed_by, cause) IN (0, 3)) NOT VALID;
ALTER TABLE report VALIDATE CONSTRAINT report_closed;

-- Who was forgotten is not written here, or they would not be: when, by whom, and how many rows.
CREATE TABLE forgotten (
    forgotten_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL,
    by_whom       text NOT NULL,
    counts        jsonb NOT NULL DEFAULT '{}'
);

-- The log of consent only grows, but for this: a phone and a name in it give way to the number of a row above, and
-- nothing else of the row changes. What was said, when and how stays.
DROP TRIGGER consent_log_only_grows ON consent_log;
CREATE TRIGGER consent_log_only_grows BEFORE DELETE OR TRUNCATE ON consent_log
    FOR EACH STATEMENT EXECUTE FUNCTION keep_consent_log();

CREATE FUNCTION forget_in_consent_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.phone LIKE 'forgotten-%' OR NEW.who <> ''
       OR NOT EXISTS (SELECT FROM forgotten WHERE NEW.phone = 'forgotten-' || forgotten_id)
       OR (NEW.consent_id, NEW.at, NEW.what, NEW.how) IS DISTINCT FROM (OLD.consent_id, OLD.at, OLD.what, OLD.how) THEN
        RAISE EXCEPTION 'consent_log only grows: write what is true now as a new row';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER consent_log_forgets BEFORE UPDATE ON consent_log
    FOR EACH ROW EXECUTE FUNCTION forget_in_consent_log();
