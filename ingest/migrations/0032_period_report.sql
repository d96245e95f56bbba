-- Reports of a month or a year: what is written while they are drafts, and what was published and never changes.

-- What a committee says that it took in a month.
CREATE TABLE takings (
    zone_id       text NOT NULL REFERENCES zone,
    month         date NOT NULL CHECK (extract(day FROM month) = 1),
    gnf           bigint NOT NULL CHECK (gnf >= 0),
    noted_by      text NOT NULL,
    noted_at      timestamptz NOT NULL,              -- platform time
    PRIMARY KEY (zone_id, month)
);

-- The engineer's words, before a report is published.
CREATE TABLE report_draft (
    period        text NOT NULL,                     -- 2026-10 or 2026
    zone_id       text REFERENCES zone,              -- null: all zones
    words_fr      text NOT NULL,
    words_en      text NOT NULL,
    written_by    text NOT NULL,
    written_at    timestamptz NOT NULL,              -- platform time
    UNIQUE NULLS NOT DISTINCT (period, zone_id)
);

CREATE TABLE published_report (
    published_report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    period        text NOT NULL,
    zone_id       text REFERENCES zone,              -- null: all zones
    version       integer NOT NULL CHECK (version > 0),
    figures       jsonb NOT NULL,                    -- web.reports.figures.Figures
    words_fr      text NOT NULL,
    words_en      text NOT NULL,
    program       text NOT NULL,                     -- the version of Ndiyan that worked them out
    published_by  text NOT NULL,
    published_at  timestamptz NOT NULL,              -- platform time
    UNIQUE NULLS NOT DISTINCT (period, zone_id, version)
);

CREATE FUNCTION keep_published_report() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'published_report only grows: publish a new version';
END $$;
CREATE TRIGGER published_report_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON published_report
    FOR EACH STATEMENT EXECUTE FUNCTION keep_published_report();
