-- In which hour the last good reading of a day lies: whether a counter's last value may stand for midnight is then
-- told without a look at the hours. NULL where an older version wrote the row: who reads it asks the hours.
ALTER TABLE reading_day ADD COLUMN last_hour timestamptz;

UPDATE reading_day d SET last_hour = h.last_hour
FROM (SELECT channel_id, date_trunc('day', hour, 'UTC') AS day, max(hour) AS last_hour FROM reading_hour WHERE n > 0
      GROUP BY 1, 2) h
WHERE h.channel_id = d.channel_id AND h.day = d.day;
