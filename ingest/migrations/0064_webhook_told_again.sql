-- A program hears also of what people are told of besides: what outlived its cause, and what came back after its end was told.

DROP TRIGGER alert_event_tells_webhooks ON alert_event;
CREATE TRIGGER alert_event_tells_webhooks AFTER INSERT ON alert_event
    FOR EACH ROW WHEN (NEW.kind IN ('opened', 'acknowledged', 'shelved', 'unshelved', 'returned', 'outlived', 'told_again',
                                    'resolved', 'closed', 'reopened'))
    EXECUTE FUNCTION tell_webhooks();
