-- What the doctor asks; reads only.

-- zones
SELECT zone_id FROM zone ORDER BY zone_id;

-- zones_without_committee
SELECT z.zone_id FROM zone z
WHERE NOT EXISTS (SELECT 1 FROM contact c WHERE c.zone_id = z.zone_id AND c.is_active) ORDER BY z.zone_id;

-- newest_readings
-- When something measured last arrived, per zone.
SELECT z.zone_id, max(l.measured_at) FROM zone z
LEFT JOIN channel c ON c.zone_id = z.zone_id LEFT JOIN latest l ON l.channel_id = c.channel_id
GROUP BY z.zone_id ORDER BY z.zone_id;

-- heartbeats
SELECT service, detail FROM heartbeat;

-- of_restores
-- Databases that a restore has made beside this one, or kept.
SELECT datname, pg_database_size(datname) FROM pg_database
WHERE starts_with(datname, current_database() || '_')
  AND substr(datname, length(current_database()) + 2) ~ '^(restored|before)_\d{8}_\d{6}$'
ORDER BY datname;

-- clock
SELECT clock_timestamp();

-- routes_down
SELECT carrier, detail, since FROM carrier_state WHERE NOT is_up AND carrier = ANY(%(routes)s) ORDER BY carrier;

-- evaluation_behind
-- Zones whose readings wait to be judged, or whose evaluation failed.
SELECT j.zone_id, j.last_error, extract(epoch FROM heard.at - j.watermark_at) / 60 FROM job j LEFT JOIN (
    SELECT c.zone_id, max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id) WHERE c.is_active GROUP BY c.zone_id
) heard USING (zone_id)
WHERE j.last_error IS NOT NULL OR heard.at - j.watermark_at > %(most)s ORDER BY j.zone_id;

-- sms_waiting
SELECT count(*), min(next_try_at) FROM notification
WHERE state IN ('queued', 'submitting') AND next_try_at < %(before)s;

-- sms_failed
SELECT count(*), (array_agg(coalesce(error, 'without a word') ORDER BY notification_id DESC))[1] FROM notification
WHERE state = 'failed' AND created_at > %(after)s;

-- webhooks_failing
SELECT webhook, count(*) FILTER (WHERE state = 'given_up'), count(*) FILTER (WHERE state = 'waiting'), max(error)
FROM webhook_delivery JOIN webhook w ON w.name = webhook
WHERE w.is_active AND (state = 'given_up' OR (state = 'waiting' AND attempts >= %(attempts)s))
GROUP BY webhook ORDER BY webhook;

-- is_by_column
-- Whether old weeks are stored by column already.
SELECT EXISTS (SELECT FROM migration WHERE variant = 'timescale');

-- services_as_owner
-- Services that are connected as this database's owner, by the names of their connections.
SELECT DISTINCT CASE said[1] WHEN 'sender' THEN 'alerts' ELSE said[1] END AS service FROM pg_stat_activity a
JOIN pg_database d ON d.oid = a.datid AND d.datdba = a.usesysid,
regexp_match(a.application_name, '^ndiyan[- ](ingest|alerts|sender|web)\M') AS said
WHERE d.datname = current_database() AND said IS NOT NULL ORDER BY service;
