-- switch_on
-- The webhooks of the settings are told from now on, others are not; what waits for them waits.
INSERT INTO webhook (name, is_active) SELECT name, true FROM unnest(%(names)s::text[]) AS n (name)
ON CONFLICT (name) DO UPDATE SET is_active = true WHERE NOT webhook.is_active;

-- switch_off
UPDATE webhook SET is_active = false WHERE is_active AND name <> ALL (%(names)s::text[]);

-- due
-- The oldest that are due, locked: two services never tell the same at once.
SELECT d.webhook_delivery_id, d.webhook, d.attempts, e.event_id, e.kind, e.at, e.who, a.code, a.zone_id, z.name,
       z.is_fictional, a.asset_id, a.fault, a.severity, a.state, a.opened_at, a.acknowledged_at, a.resolved_at,
       a.is_late, a.explained_by, a.alert_id
FROM webhook_delivery d JOIN alert_event e USING (event_id) JOIN alert a USING (alert_id) JOIN zone z USING (zone_id)
WHERE d.state = 'waiting' AND d.next_try_at <= %(now)s AND d.webhook = ANY (%(names)s)
ORDER BY d.next_try_at, d.webhook_delivery_id LIMIT 1 FOR UPDATE OF d SKIP LOCKED;

-- settle
UPDATE webhook_delivery SET state = %(state)s, attempts = attempts + 1, status = %(status)s, error = %(error)s,
       next_try_at = %(next_try_at)s, delivered_at = %(delivered_at)s
WHERE webhook_delivery_id = %(delivery)s;

-- again
-- Those that were given up are tried once more, from the beginning.
UPDATE webhook_delivery SET state = 'waiting', attempts = 0, next_try_at = %(now)s
WHERE state = 'given_up' AND webhook = %(name)s;

-- listing
SELECT w.name, w.is_active, count(*) FILTER (WHERE d.state = 'delivered'), count(*) FILTER (WHERE d.state = 'waiting'),
       count(*) FILTER (WHERE d.state = 'given_up'), max(d.delivered_at),
       (array_agg(d.error ORDER BY d.next_try_at DESC) FILTER (WHERE d.error IS NOT NULL))[1]
FROM webhook w LEFT JOIN webhook_delivery d ON d.webhook = w.name GROUP BY w.name ORDER BY w.name;
