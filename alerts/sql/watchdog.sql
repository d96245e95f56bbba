-- Whether the services do their work; reads only.

-- heartbeats
SELECT service, beat_at, detail FROM heartbeat;

-- late
-- Whether a zone's readings wait to be judged, and whether an SMS that is due waits for a route. Readings of hours that
-- have just come together wait for the next pass and not for anybody. What the keeper itself wrote about an earlier
-- trouble counts as well: it is an SMS that does not leave.
SELECT EXISTS (
    SELECT 1 FROM job j JOIN channel c ON c.zone_id = j.zone_id AND c.is_active JOIN latest l USING (channel_id)
    WHERE l.measured_at - j.watermark_at > %(behind)s AND j.last_ok_at < %(judged_since)s),
  EXISTS (SELECT 1 FROM notification WHERE state IN ('queued', 'submitting') AND next_try_at < %(due)s);
