-- Whether the services do their work; reads only.

-- heartbeats
SELECT service, beat_at, detail FROM heartbeat;

-- late
-- Whether a zone's readings wait to be judged, and whether an SMS that is due waits for a route. Readings of hours that
-- have just come together wait for the next pass and not for anybody. What the keeper itself wrote about an earlier
-- trouble counts as well: it is an SMS that does not leave.
SELECT EXISTS (
    SELECT FROM job j CROSS JOIN LATERAL (
        SELECT max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id)
        WHERE c.zone_id = j.zone_id AND c.is_active) heard
    WHERE heard.at - j.watermark_at > %(behind)s AND j.last_ok_at < %(judged_since)s),
  EXISTS (SELECT FROM notification WHERE state IN ('queued', 'submitting') AND next_try_at < %(due)s);
