-- A program hears also of what people end or take back: an alert closed by hand, opened again, woken.

DROP TRIGGER alert_event_tells_webhooks ON alert_event;
CREATE TRIGGER alert_event_tells_webhooks AFTER INSERT ON alert_event
    FOR EACH ROW WHEN (NEW.kind IN ('opened', 'acknowledged', 'shelved', 'unshelved', 'returned', 'resolved', 'closed',
                                    'reopened'))
    EXECUTE FUNCTION tell_webhooks();
