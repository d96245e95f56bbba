-- The ladder: where each live alert stands, what several messages became one of, and whom an engineer calls by hand.

CREATE TABLE ladder (
    alert_id      bigint PRIMARY KEY REFERENCES alert,
    rung          smallint NOT NULL,                 -- how many steps are behind it
    origin_at     timestamptz NOT NULL,              -- delays count from here; moves on when a step came late
    due_at        timestamptz                        -- when to look again; null: not before somebody does something
);
CREATE INDEX ladder_due ON ladder (due_at);

-- What people were told of before goes on from the step that they know.
INSERT INTO ladder (alert_id, rung, origin_at, due_at)
SELECT a.alert_id, CASE WHEN bool_or(n.step = 'repairer') THEN 5 WHEN bool_or(n.step = 'second') THEN 3 ELSE 1 END,
       a.opened_at, a.opened_at
FROM alert a JOIN notification n USING (alert_id)
WHERE a.state <> 'resolved' AND n.kind = 'opened' GROUP BY a.alert_id;

ALTER TABLE notification
    ADD COLUMN due_at timestamptz,                   -- when it was to leave, whatever the routes made of it
    ADD COLUMN told_in bigint REFERENCES notification;  -- the one message that tells this and more
CREATE INDEX notification_told_in ON notification (told_in) WHERE told_in IS NOT NULL;
CREATE INDEX notification_waiting ON notification (phone) WHERE state IN ('held', 'queued');
CREATE INDEX notification_phone ON notification (phone, created_at);
CREATE INDEX sms_in_alert ON sms_in (alert_id) WHERE alert_id IS NOT NULL;

CREATE TABLE call_list (
    call_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id      bigint NOT NULL REFERENCES alert,
    contact_id    integer REFERENCES contact,        -- whom to call first; null where the zone has nobody
    step          text NOT NULL,                     -- of the ladder, or the question that nobody answered
    why           text NOT NULL,                     -- routing's Why
    since         timestamptz NOT NULL,              -- platform time
    called_by     text,
    called_at     timestamptz,
    UNIQUE (alert_id, step)
);
CREATE INDEX call_list_open ON call_list (since) WHERE called_at IS NULL;
