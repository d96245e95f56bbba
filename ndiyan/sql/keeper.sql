-- What the keeper asks and tells.

-- kept
-- What it has told is kept in its own heartbeat.
SELECT detail FROM heartbeat WHERE service = 'keeper' FOR UPDATE;

-- beat
INSERT INTO heartbeat (service, beat_at, detail) VALUES (%(service)s, %(at)s, %(detail)s::jsonb)
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = EXCLUDED.detail;

-- begin
-- Once until the next look, which takes `begins` out again: who falls at each look must not live by its starts.
INSERT INTO heartbeat (service, beat_at, detail) VALUES ('keeper', %(at)s, '{"begins": true}')
ON CONFLICT (service) DO UPDATE SET beat_at = EXCLUDED.beat_at, detail = heartbeat.detail || EXCLUDED.detail
WHERE NOT heartbeat.detail ? 'begins';

-- zones
-- All zones, and those that nobody has heard since.
SELECT count(*), count(*) FILTER (WHERE heard.at IS NULL OR heard.at < %(since)s) FROM zone LEFT JOIN (
    SELECT c.zone_id, max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id) GROUP BY c.zone_id
) heard USING (zone_id);

-- queue
INSERT INTO notification (ref, phone, kind, step, reason, language, text, segments, urgency, state, created_at,
                          next_try_at, valid_until)
VALUES (%(ref)s, %(phone)s, 'operator', %(step)s, 'server', %(language)s, %(text)s, %(segments)s, %(urgency)s, 'queued',
        %(now)s, %(now)s, %(valid_until)s);
