-- stored
SELECT percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM received_at - measured_at)::float8)
FROM latest WHERE received_at > %(now)s::timestamptz - interval '1 hour';

-- judged
SELECT percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY greatest(0, extract(epoch FROM heard.at - j.watermark_at))::float8)
FROM job j JOIN (
    SELECT c.zone_id, max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id
) heard USING (zone_id)
WHERE j.watermark_at IS NOT NULL;

-- told
-- Alerts of which somebody was to be told: from opening to the first hand-over that a route took.
SELECT percentile_cont(%(quantiles)s::float8[]) WITHIN GROUP (ORDER BY extract(epoch FROM told.at - a.opened_at)::float8)
FROM alert a CROSS JOIN LATERAL (
    SELECT min(n.accepted_at) AS at FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'opened'
) told
WHERE a.opened_at > %(now)s::timestamptz - interval '1 day' AND told.at IS NOT NULL;

-- queues
-- What waits for a service of ours, and since when the oldest does (platform time).
SELECT 'notification_' || state, count(*), min(created_at) FROM notification
WHERE state IN ('held', 'queued', 'submitting', 'uncertain') GROUP BY state
UNION ALL SELECT 'notification', count(*), min(created_at) FROM notification WHERE state IN ('queued', 'submitting')
UNION ALL SELECT 'sms_in', count(*), min(received_at) FROM sms_in WHERE handled_at IS NULL
UNION ALL SELECT 'carrier_event', count(*), min(received_at) FROM carrier_event WHERE taken_at IS NULL
UNION ALL SELECT 'late_arrival', count(*), NULL FROM late_arrival
UNION ALL SELECT 'judging', count(*), min(next_due_at) FROM job WHERE next_due_at <= %(now)s
UNION ALL SELECT 'webhook', count(*), min(next_try_at) FROM webhook_delivery WHERE state = 'waiting'
UNION ALL SELECT 'call', count(*), min(since) FROM call_list WHERE called_at IS NULL;

-- set_aside
SELECT reason, count(*) FROM set_aside WHERE replayed_at IS NULL GROUP BY reason;

-- errors
SELECT 'sms_failed', count(*) FROM notification
WHERE state = 'failed' AND created_at > %(now)s::timestamptz - interval '1 day'
UNION ALL SELECT 'not_judged', count(*) FROM job WHERE last_error IS NOT NULL
UNION ALL SELECT 'route_down', count(*) FROM carrier_state
    WHERE NOT is_up AND asked_at > %(now)s::timestamptz - interval '1 day'
UNION ALL SELECT 'webhook_given_up', count(*) FROM webhook_delivery WHERE state = 'given_up'
UNION ALL SELECT 'cannot_store', count(*) FROM heartbeat WHERE coalesce(detail ->> 'trouble', '') <> ''
UNION ALL SELECT 'no_broker', count(*) FROM heartbeat WHERE detail ->> 'broker' = 'false'
UNION ALL SELECT 'broker_queue', count(*) FROM heartbeat WHERE detail ->> 'broker_trouble' = 'broker_queue'
UNION ALL SELECT 'broker_dropped', count(*) FROM heartbeat WHERE detail ->> 'broker_trouble' = 'broker_dropped';

-- broker
-- What mosquitto says of itself; no row of what it does not say.
SELECT kind, number FROM heartbeat CROSS JOIN LATERAL (VALUES ('waiting', (detail ->> 'broker_messages')::float8),
    ('waiting_bytes', (detail ->> 'broker_bytes')::float8), ('dropped', (detail ->> 'broker_dropped')::float8),
    ('sessions_lost', (detail ->> 'sessions_lost')::float8)) AS said (kind, number)
WHERE service = 'ingest' AND number IS NOT NULL;

-- heartbeats
-- One of several and one that stands by are told as long as they are missed (`alerts/watchdog.py`): not when they ended in
-- order, nor after a week.
SELECT service, extract(epoch FROM %(now)s::timestamptz - beat_at)::float8 FROM heartbeat
WHERE service !~ '@|^standby$' OR (detail -> 'ended' IS NULL
      AND (service ~ '^ingest@' OR beat_at > %(now)s::timestamptz - interval '7 days'));

-- account
SELECT fate, number FROM (
    SELECT sum(stored) AS stored, sum(duplicate) AS duplicate, sum(conflict) AS conflict, sum(set_aside) AS set_aside,
           sum(late) AS late, sum(sent - arrived - declared) AS missing,
           sum(declared) AS declared
    FROM gateway_day WHERE day = (%(now)s::timestamptz AT TIME ZONE 'UTC')::date
) d CROSS JOIN LATERAL (VALUES ('stored', stored), ('duplicate', duplicate), ('conflict', conflict),
    ('set_aside', set_aside), ('late', late), ('missing', missing), ('declared', declared)) AS f (fate, number)
WHERE number IS NOT NULL;

-- service_memory_bytes
-- Services tell this and the next three with their heartbeats; who ended in order tells nothing of it.
SELECT service, (detail ->> 'memory_bytes')::float8 FROM heartbeat
WHERE detail ? 'memory_bytes' AND beat_at > %(now)s::timestamptz - interval '7 days';

-- service_waiting_messages
SELECT service, (detail ->> 'waiting')::float8 FROM heartbeat
WHERE detail ? 'waiting' AND beat_at > %(now)s::timestamptz - interval '7 days';

-- service_batch
SELECT service, (detail ->> 'batch')::float8 FROM heartbeat
WHERE detail ? 'batch' AND beat_at > %(now)s::timestamptz - interval '7 days';

-- service_reconnects
SELECT service, key, value::float8 FROM heartbeat CROSS JOIN jsonb_each_text(detail -> 'reconnects')
WHERE detail ? 'reconnects' AND beat_at > %(now)s::timestamptz - interval '7 days';
