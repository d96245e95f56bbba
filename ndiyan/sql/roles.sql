-- What the database role of each service may do, all of it; `ndiyan db roles` takes everything away and grants this anew.
-- Readings are never deleted and their values never changed, the journal only grows, and who needs no phone sees none.

-- all
-- Of every service.
GRANT SELECT ON migration TO {role};
GRANT SELECT, INSERT, UPDATE ON heartbeat TO {role};

-- writer
-- Of all who store readings: ingest, people's hand readings (alerts), files, replays and messages by HTTP (web).
GRANT SELECT ON zone, zone_claim, gateway, asset, channel, device, decode_profile, reading_hourly, reading_daily TO {role};
GRANT SELECT, INSERT ON reading TO {role};
GRANT SELECT, INSERT, UPDATE ON latest, reading_hour, reading_day TO {role};
GRANT SELECT, INSERT ON reading_note, reading_conflict, late_arrival TO {role};
GRANT SELECT, UPDATE ON writer_turn TO {role};
GRANT EXECUTE ON FUNCTION ensure_reading_partition(timestamptz), flag_bad(integer, timestamptz),
    flag_suspect(integer[], timestamptz[]) TO {role};

-- receiver
-- Of those who take messages: ingest, and web for replays and messages by HTTP.
GRANT UPDATE ON gateway TO {role};
GRANT SELECT, INSERT, UPDATE ON gateway_boot, gateway_day, gateway_told_day, sparkplug_birth TO {role};
GRANT SELECT, INSERT ON set_aside TO {role};
GRANT SELECT, INSERT, DELETE ON raw_message TO {role};
GRANT SELECT ON backlog_file TO {role};
GRANT SELECT, DELETE ON backlog_part TO {role};

-- ingest
-- Several workers share the zones, and one that is taken away leaves nothing behind.
GRANT INSERT, UPDATE, DELETE ON zone_claim TO {role};
GRANT INSERT ON writer_turn TO {role};
GRANT DELETE ON heartbeat TO {role};

-- alerts
-- Judges readings, tells people and programs, hears answers.
GRANT SELECT ON contact, opted_out, alert_said, gateway_day, published_report, rule_trial TO {role};
GRANT SELECT, INSERT ON alert_event, rule_setting, consent_log, channel TO {role};
GRANT SELECT, INSERT, UPDATE ON alert, ladder, notification, sms_attempt, sms_receipt, sms_in, call_list, report, job, zone_day,
    hand_reading, carrier_state, carrier_event, carrier_refusal, gammu_handover, webhook, webhook_delivery, phone_inbox TO {role};
GRANT SELECT, UPDATE ON phone_reply, phone_network TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation TO {role};
GRANT DELETE ON late_arrival TO {role};
GRANT SELECT ON gateway_boot TO {role};
GRANT SELECT (zone_id, received_at, reason) ON set_aside TO {role}; -- whose clock is wrong, and not what was said
GRANT UPDATE (is_active) ON channel TO {role}; -- of two people who read the same meter one waits for the other
GRANT USAGE ON SEQUENCE alert_code TO {role};

-- web
-- Pages and API.
GRANT SELECT ON contact, opted_out, alert_said, written, forgotten_key, reading_conflict, carrier_state, carrier_refusal,
    gammu_handover, hand_reading, sms_in, sms_attempt, sms_receipt, job, zone_day, webhook, webhook_delivery TO {role};
GRANT SELECT, INSERT ON audit_log, alert_event, alert_photo, rule_setting, consent_log, published_report, demo_fault TO {role};
GRANT SELECT, INSERT, UPDATE ON account, login_link, api_key, rule_trial, backlog_file, report_draft,
    carrier_refusal, notification, call_list, phone_reply, phone_network, phone_inbox TO {role};
GRANT SELECT, INSERT ON forgotten, carrier_event TO {role};
GRANT INSERT ON backlog_part TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON web_session, login_try, takings, decode_profile TO {role};
GRANT SELECT, INSERT, DELETE ON recovery_code TO {role};
GRANT SELECT, UPDATE ON alert, ladder TO {role};
GRANT SELECT, UPDATE (text, cause, closed_at, closed_by, told_at) ON report TO {role};
GRANT SELECT, UPDATE (replayed_at) ON set_aside TO {role};
-- Zones and committees are kept on the pages as well; nothing of them is ever deleted.
GRANT INSERT, UPDATE ON zone, gateway, asset, channel, device, contact TO {role};
-- Who asks to be forgotten is, everywhere: no more of a story is written over than what tells of them.
GRANT UPDATE (counts, again_at) ON forgotten TO {role};
GRANT UPDATE (phone, who) ON consent_log TO {role};
GRANT UPDATE (who, detail) ON alert_event TO {role};
GRANT UPDATE (shows) ON alert_photo TO {role};
GRANT UPDATE (phone, text, provider_id, repeat_keys) ON sms_in TO {role};
GRANT UPDATE (detail) ON sms_attempt TO {role};
GRANT UPDATE (phone, text_head, raw) ON sms_receipt TO {role};
GRANT UPDATE (phone) ON gammu_handover TO {role};
GRANT UPDATE (body, error, taken_at) ON carrier_event TO {role};
GRANT SELECT, DELETE ON conversation, phone_inbox, phone_reply, phone_network TO {role};

-- lacks_secretary
SELECT NOT pg_has_role('ndiyan_web', 'ndiyan_zone', 'MEMBER');

-- secretary
-- Their requests become `ndiyan_zone`, which sees one zone.
GRANT ndiyan_zone TO ndiyan_web;

-- has_daemon
SELECT to_regnamespace('smsd') IS NOT NULL;

-- daemon
-- Gammu's tables, where its daemon shares the database: alerts hands over to it, web forgets people in them.
GRANT USAGE ON SCHEMA smsd TO ndiyan_alerts, ndiyan_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA smsd TO ndiyan_alerts, ndiyan_web;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA smsd TO ndiyan_alerts;

-- in_use
-- Databases in which a role that may log in has rights.
SELECT DISTINCT d.datname FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid JOIN pg_roles r ON r.oid = s.refobjid
WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = %s AND r.rolcanlogin;
