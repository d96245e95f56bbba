-- Run once, as a superuser, in Ndiyan's database:
-- runuser -u postgres -- psql ndiyan -f /opt/ndiyan/source/deploy/grafana/role.sql
-- Then give the role a password: runuser -u postgres -- psql ndiyan -c '\password ndiyan_grafana'
CREATE ROLE ndiyan_grafana LOGIN CONNECTION LIMIT 8;
ALTER ROLE ndiyan_grafana SET statement_timeout = '30s';
ALTER ROLE ndiyan_grafana SET default_transaction_read_only = on;
GRANT SELECT ON grafana_zone, grafana_latest, grafana_reading, grafana_hour, grafana_day, grafana_alert,
    grafana_notification, grafana_account, grafana_heartbeat TO ndiyan_grafana;
GRANT SELECT ON reading TO ndiyan_grafana;  -- the hour that is going on is added up as whoever asks; numbers alone
GRANT SELECT (channel_id, wraps_at, most_per_h) ON channel TO ndiyan_grafana;  -- likewise: where its counters end
