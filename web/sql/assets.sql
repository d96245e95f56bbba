-- nights
-- What `alerts` measured of each night, where the tower's outlet has a meter.
SELECT day, (features ->> 'night_flow_m3_h')::float8 FROM zone_day
WHERE zone_id = %(zone)s AND day >= %(first)s AND day <= %(last)s AND features ? 'night_flow_m3_h' ORDER BY day;
