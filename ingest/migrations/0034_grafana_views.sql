-- What Grafana reads, under names that stay: readings and rollups with the words of their zone, alerts without people.
-- A role of its own may read these and nothing else (deploy/grafana/role.sql).

CREATE VIEW grafana_zone AS
SELECT z.zone_id AS zone, z.name, z.commune, z.latitude, z.longitude, z.people, z.is_fictional,
       (SELECT max(l.measured_at) FROM channel c JOIN latest l USING (channel_id)
        WHERE c.zone_id = z.zone_id AND c.is_active) AS last_seen_at,
       (SELECT count(*) FROM alert a
        WHERE a.zone_id = z.zone_id AND a.state <> 'resolved' AND a.explained_by IS NULL) AS open_alerts,
       (SELECT max(a.severity) FROM alert a
        WHERE a.zone_id = z.zone_id AND a.state <> 'resolved' AND a.explained_by IS NULL) AS worst_severity
FROM zone z;

CREATE VIEW grafana_latest AS
SELECT c.zone_id AS zone, c.asset_id AS asset, c.name AS channel, c.unit, l.measured_at AS time, l.received_at, l.value, l.flag
FROM latest l JOIN channel c USING (channel_id) WHERE c.is_active;

CREATE VIEW grafana_reading AS
SELECT r.measured_at AS time, c.zone_id AS zone, c.asset_id AS asset, c.name AS channel, c.unit, r.value, r.flag, r.received_at
FROM reading r JOIN channel c USING (channel_id);

CREATE VIEW grafana_hour AS
SELECT h.hour AS time, c.zone_id AS zone, c.asset_id AS asset, c.name AS channel, c.unit,
       CASE WHEN h.n > 0 THEN h.sum / h.n END AS mean, h.min, h.max, h.last, h.steps, h.n, h.bad
FROM reading_hourly h JOIN channel c USING (channel_id);

CREATE VIEW grafana_day AS
SELECT d.day AS time, c.zone_id AS zone, c.asset_id AS asset, c.name AS channel, c.unit,
       CASE WHEN d.n > 0 THEN d.sum / d.n END AS mean, d.min, d.max, d.last, d.steps, d.n, d.bad
FROM reading_daily d JOIN channel c USING (channel_id);

CREATE VIEW grafana_alert AS
SELECT a.opened_at AS time, a.code, a.zone_id AS zone, a.asset_id AS asset, a.fault, a.severity, a.state, a.resolved_at,
       a.acknowledged_at, a.is_late, a.explained_by IS NOT NULL AS is_explained, a.times
FROM alert a;

-- How many messages about alerts are in which state; nobody's name or number.
CREATE VIEW grafana_notification AS
SELECT n.created_at AS time, n.zone_id AS zone, n.kind, n.carrier AS route, n.state, n.segments, n.accepted_at, n.delivered_at
FROM notification n;

CREATE VIEW grafana_account AS
SELECT d.day::timestamptz AS time, d.zone_id AS zone, d.gateway_id AS gateway, d.sent, d.arrived, d.received, d.stored,
       d.duplicate, d.conflict, d.set_aside, d.late, d.clock_offset_s
FROM gateway_day d;

CREATE VIEW grafana_heartbeat AS SELECT service, beat_at AS time FROM heartbeat;
