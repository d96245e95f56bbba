-- What people say to us by SMS beyond answers to alerts, and what is kept of it.

-- What each phone's owner said about being written to. It only grows, knows phones alone and therefore outlives any
-- change of the committees; the newest row of a phone counts.
CREATE TABLE consent_log (
    consent_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone         text NOT NULL,
    at            timestamptz NOT NULL,              -- platform time
    what          text NOT NULL CHECK (what IN ('opt_in', 'opt_out')),
    how           text NOT NULL,                     -- sms
    who           text NOT NULL                      -- who said it, as the committee's list names them
);
CREATE INDEX consent_log_phone ON consent_log (phone, at DESC, consent_id DESC);

CREATE FUNCTION keep_consent_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'consent_log only grows: write what is true now as a new row';
END $$;
CREATE TRIGGER consent_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_log
    FOR EACH STATEMENT EXECUTE FUNCTION keep_consent_log();

CREATE VIEW opted_out AS
SELECT phone, at FROM consent_log c
WHERE what = 'opt_out' AND NOT EXISTS (SELECT FROM consent_log l WHERE l.phone = c.phone
                                       AND (l.at, l.consent_id) > (c.at, c.consent_id));

-- Engineers also call where no alert says so: a zone that nobody can be told of any more.
ALTER TABLE call_list
    ALTER COLUMN alert_id DROP NOT NULL,
    ADD COLUMN zone_id text REFERENCES zone,
    ADD CONSTRAINT call_list_about CHECK (num_nonnulls(alert_id, zone_id) = 1) NOT VALID;
ALTER TABLE call_list VALIDATE CONSTRAINT call_list_about;

-- What we asked a phone and wait to hear; its next SMS answers it or shows that it was about something else.
CREATE TABLE conversation (
    phone         text PRIMARY KEY,
    state         text NOT NULL CHECK (state IN ('which', 'confirm')),  -- which alert; is this what you say
    detail        jsonb NOT NULL,                    -- intention; code; codes, those asked about
    asked_at      timestamptz NOT NULL,              -- platform time
    expires_at    timestamptz NOT NULL
);

-- Breakdowns that people report, whether or not any sensor sees them.
CREATE TABLE report (
    report_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    zone_id       text NOT NULL REFERENCES zone,
    contact_id    integer NOT NULL REFERENCES contact,
    sms_in_id     bigint NOT NULL UNIQUE REFERENCES sms_in,
    reported_at   timestamptz NOT NULL,              -- platform time
    text          text NOT NULL
);
CREATE INDEX report_zone ON report (zone_id, reported_at DESC);
