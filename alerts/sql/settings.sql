-- settings
SELECT DISTINCT ON (parameter, zone_id) parameter, zone_id, value, set_by, set_at, why FROM rule_setting
ORDER BY parameter, zone_id, rule_setting_id DESC;

-- change
INSERT INTO rule_setting (parameter, zone_id, value, set_by, set_at, why)
VALUES (%(parameter)s, %(zone)s, %(value)s, %(who)s, %(now)s, %(why)s);
