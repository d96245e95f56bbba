-- What people wrote that no table of its own remembers: who, what, before, after. It only grows, and no name or phone of
-- a committee stands in it, so that who asks to be forgotten can be.
CREATE TABLE audit_log (
    audit_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL,              -- platform time
    who           text NOT NULL,                     -- account and way: Awa (web)
    what          text NOT NULL,
    subject       text NOT NULL,
    zone_id       text,
    before        jsonb,
    after         jsonb
);
CREATE INDEX audit_log_at ON audit_log (at DESC, audit_id DESC);
REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC;

CREATE FUNCTION keep_what_people_wrote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: write what is true now as a new row', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION keep_what_people_wrote();

-- What people did to rules and alerts has tables of its own; they only grow as well. Of an alert's story a name may go.
CREATE TRIGGER rule_setting_only_grows BEFORE UPDATE OR DELETE ON rule_setting
    FOR EACH STATEMENT EXECUTE FUNCTION keep_what_people_wrote();
CREATE TRIGGER alert_event_only_grows BEFORE DELETE ON alert_event
    FOR EACH STATEMENT EXECUTE FUNCTION keep_what_people_wrote();

-- All of it in one list. `who` of an alert's event is a person where a way stands behind the name; `number` orders what
-- was written at one time, and no two rows have the same.
CREATE VIEW written AS
SELECT at, 5 * audit_id AS number, who, what, subject, zone_id, before, after FROM audit_log
UNION ALL
SELECT s.set_at, 5 * s.rule_setting_id + 1, s.set_by, 'rule_set', s.parameter, s.zone_id,
       (SELECT jsonb_build_object('value', p.value) FROM rule_setting p
        WHERE p.parameter = s.parameter AND p.zone_id IS NOT DISTINCT FROM s.zone_id
          AND p.rule_setting_id < s.rule_setting_id ORDER BY p.rule_setting_id DESC LIMIT 1),
       jsonb_build_object('value', s.value, 'why', s.why)
FROM rule_setting s
UNION ALL
SELECT e.at, 5 * e.event_id + 2, e.who, 'alert_' || e.kind, a.code, a.zone_id, NULL, nullif(e.detail, '{}')
FROM alert_event e JOIN alert a USING (alert_id) WHERE e.who LIKE '% (web)' OR e.who LIKE '% (API)'
UNION ALL
SELECT published_at, 5 * published_report_id + 3, published_by, 'report_published', period || ' v' || version, zone_id,
       NULL, NULL
FROM published_report
UNION ALL
SELECT at, 5 * forgotten_id + 4, by_whom, 'person_forgotten', 'forgotten-' || forgotten_id, NULL, NULL, counts
FROM forgotten;
