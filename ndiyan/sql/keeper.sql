-- What the keeper asks and tells.

-- heartbeats
SELECT service, beat_at, detail FROM heartbeat;

-- kept
-- What it has told is kept in its own heartbeat.
SELECT detail FROM heartbeat WHERE service = 'keeper' FOR UPDATE;

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;

-- late
-- Whether a zone's readings wait to be judged, and whether an SMS that is due waits for a route. What the keeper itself
-- wrote about an earlier trouble counts as well: it is an SMS that does not leave.
SELECT EXISTS (
    SELECT FROM job j CROSS JOIN LATERAL (
        SELECT max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id)
        WHERE c.zone_id = j.zone_id AND c.is_active) heard
    WHERE heard.at - j.watermark_at > %(behind)s),
  EXISTS (SELECT FROM notification WHERE state IN ('queued', 'submitting') AND next_try_at < %(due)s);

-- zones
-- All zones, and those that nobody has heard since.
SELECT count(*), count(*) FILTER (WHERE heard.at IS NULL OR heard.at < %(since)s) FROM zone z CROSS JOIN LATERAL (
    SELECT max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id) WHERE c.zone_id = z.zone_id) heard;

-- queue
INSERT INTO notification (ref, phone, kind, step, reason, language, text, segments, urgency, state, created_at,
                          next_try_at, valid_until)
VALUES (%(ref)s, %(phone)s, 'operator', %(step)s, 'server', %(language)s, %(text)s, %(segments)s, %(urgency)s, 'queued',
        %(now)s, %(now)s, %(valid_until)s);
