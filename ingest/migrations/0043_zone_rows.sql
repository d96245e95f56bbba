-- The rows of one zone alone, for a secretary's requests: the web service becomes `ndiyan_zone` and names the zone in the
-- setting `ndiyan.zone` (web/narrow.py). The owner and services see all rows as before. A table that is granted nothing
-- below gives this role nothing.
--
-- Readings themselves have no rule of their own, for TimescaleDB compresses no table that has one: whoever asks for them
-- does so by channels, and those have one.
DO $$
DECLARE
    one text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ndiyan_zone') THEN
        BEGIN
            CREATE ROLE ndiyan_zone NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;  -- another database of this server was quicker
            WHEN insufficient_privilege THEN
                RAISE EXCEPTION 'may not create the role ndiyan_zone'
                    USING HINT = 'As a superuser: CREATE ROLE ndiyan_zone NOLOGIN; GRANT ndiyan_zone TO this owner; then migrate again.';
        END;
    END IF;
    IF NOT pg_has_role(current_user, 'ndiyan_zone', 'MEMBER') THEN
        EXECUTE format('GRANT ndiyan_zone TO %I', current_user);
    END IF;

    FOREACH one IN ARRAY ARRAY['zone', 'gateway', 'asset', 'channel', 'contact', 'alert', 'notification', 'call_list',
                               'report', 'takings', 'published_report', 'report_draft', 'zone_day', 'gateway_day',
                               'demo_fault', 'job'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one);
        EXECUTE format('CREATE POLICY every_row ON %I USING (true)', one);
        EXECUTE format('CREATE POLICY own_zone ON %I AS RESTRICTIVE TO ndiyan_zone'
                       ' USING (zone_id = current_setting(''ndiyan.zone'', true))', one);
    END LOOP;
    -- What belongs to a row of those belongs to its zone.
    FOREACH one IN ARRAY ARRAY['alert_event alert_id alert', 'alert_photo alert_id alert', 'ladder alert_id alert',
                               'sms_attempt notification_id notification', 'sms_receipt notification_id notification',
                               'sms_in contact_id contact', 'hand_reading contact_id contact',
                               'latest channel_id channel', 'reading_note channel_id channel',
                               'consent_log phone contact', 'gateway_told_day gateway_id gateway'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', split_part(one, ' ', 1));
        EXECUTE format('CREATE POLICY every_row ON %I USING (true)', split_part(one, ' ', 1));
        EXECUTE format('CREATE POLICY own_zone ON %1$I AS RESTRICTIVE TO ndiyan_zone'
                       ' USING (%2$I IN (SELECT %2$I FROM %3$I))',
                       split_part(one, ' ', 1), split_part(one, ' ', 2), split_part(one, ' ', 3));
    END LOOP;
END $$;

GRANT SELECT ON zone, gateway, asset, channel, contact, alert, alert_event, alert_photo, ladder, notification, call_list,
    report, takings, published_report, zone_day, gateway_day, job, sms_attempt, sms_receipt, sms_in, hand_reading, latest,
    reading, reading_hour, reading_day, reading_note, heartbeat, consent_log, report_draft, demo_fault, carrier_state,
    reading_hourly, reading_daily, alert_said, opted_out, gateway_told_day TO ndiyan_zone;
GRANT INSERT, UPDATE ON contact TO ndiyan_zone;
GRANT INSERT ON alert_event, alert_photo, audit_log TO ndiyan_zone;
GRANT UPDATE ON alert, ladder, notification, report, call_list TO ndiyan_zone;

-- Views see what whoever asks sees.
ALTER VIEW alert_said SET (security_invoker = true);
ALTER VIEW opted_out SET (security_invoker = true);

-- Webhooks hear of what a secretary does to an alert as of everything else, though secretaries see no webhook.
ALTER FUNCTION tell_webhooks() SECURITY DEFINER;
