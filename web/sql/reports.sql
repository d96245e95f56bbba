-- zones
-- Each zone with what its file says.
SELECT z.zone_id, z.name, z.commune, z.is_fictional, z.people, z.counted_in, z.gnf_per_20_l, z.women, z.men,
       z.members_counted_in,
       (SELECT (a.rating ->> 'start_irradiance_w_m2')::float8 FROM asset a WHERE a.zone_id = z.zone_id AND a.asset_id = 'pump'),
       (SELECT (a.rating ->> 'start_level_m')::float8 FROM asset a WHERE a.zone_id = z.zone_id AND a.asset_id = 'tower'),
       (SELECT (a.rating ->> 'rated_head_m')::float8 FROM asset a WHERE a.zone_id = z.zone_id AND a.asset_id = 'pump'),
       (SELECT (a.rating ->> 'rated_flow_m3_h')::float8 FROM asset a WHERE a.zone_id = z.zone_id AND a.asset_id = 'pump'),
       (SELECT (a.rating ->> 'base_height_m')::float8 + (a.rating ->> 'full_level_m')::float8
        FROM asset a WHERE a.zone_id = z.zone_id AND a.asset_id = 'tower')
FROM zone z WHERE %(zone)s::text IS NULL OR z.zone_id = %(zone)s ORDER BY z.zone_id;

-- days
-- Of one zone, from the rollup channel by channel, also of channels that it has no more; the day in which a channel fell
-- silent for good is not in it and is added up anew.
-- Whether it was read in its evening is told as in `past_days`.
SELECT c.asset_id, c.name, (d.day AT TIME ZONE 'UTC')::date, d.n, d.sum / nullif(d.n, 0), d.max, d.first, d.last, d.steps,
       coalesce(coalesce(d.last_hour, (
           SELECT max(h.hour) FROM reading_hour h WHERE h.channel_id = l.channel_id AND h.n > 0
             AND h.hour >= d.day AND h.hour < d.day + interval '1 day'
       )) >= d.day + interval '1 day' - %(evening)s, false)
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT * FROM reading_day r WHERE r.channel_id = l.channel_id AND r.day >= %(start)s AND r.day < %(end)s
      AND r.day < date_trunc('day', l.measured_at, 'UTC')) d
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at IS NOT NULL)
UNION ALL
SELECT c.asset_id, c.name, (d.day AT TIME ZONE 'UTC')::date, d.n, d.sum / nullif(d.n, 0), d.max, d.first, d.last, d.steps,
       coalesce(h.last_hour >= d.day + interval '1 day' - %(evening)s, false)
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT * FROM reading_daily r WHERE r.channel_id = l.channel_id AND r.day = date_trunc('day', l.measured_at, 'UTC')
    OFFSET 0) d CROSS JOIN LATERAL (
    SELECT max(r.hour) AS last_hour FROM reading_hourly r
    WHERE r.channel_id = l.channel_id AND r.n > 0 AND r.hour >= date_trunc('day', l.measured_at, 'UTC') OFFSET 0) h
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at IS NOT NULL)
  AND l.measured_at >= %(start)s AND l.measured_at < %(end)s;

-- hours
-- Of what pumping and energy are told by; likewise, the hour in which a channel fell silent is added up anew. OFFSET 0 makes
-- the server go channel by channel.
SELECT c.asset_id, c.name, h.hour, h.n, h.sum / nullif(h.n, 0), h.max, h.first, h.last, h.steps
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT * FROM reading_hour r WHERE r.channel_id = l.channel_id AND r.hour >= %(start)s AND r.hour < %(end)s
      AND r.hour < date_trunc('hour', l.measured_at, 'UTC')) h
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at IS NOT NULL)
  AND c.asset_id || '/' || c.name = ANY(%(channels)s)
UNION ALL
SELECT c.asset_id, c.name, h.hour, h.n, h.sum / nullif(h.n, 0), h.max, h.first, h.last, h.steps
FROM channel c JOIN latest l USING (channel_id) CROSS JOIN LATERAL (
    SELECT * FROM reading_hourly r WHERE r.channel_id = l.channel_id AND r.hour = date_trunc('hour', l.measured_at, 'UTC')
    OFFSET 0) h
WHERE c.zone_id = %(zone)s AND (c.is_active OR c.retired_at IS NOT NULL)
  AND c.asset_id || '/' || c.name = ANY(%(channels)s) AND l.measured_at >= %(start)s AND l.measured_at < %(end)s;

-- alerts
-- Those that were on or were opened within [start, end).
SELECT a.fault, a.severity, a.first_evidence_at, coalesce(a.cleared_at, a.resolved_at), a.opened_at,
       EXISTS (SELECT FROM notification n WHERE n.alert_id = a.alert_id AND n.kind = 'opened' AND n.accepted_at IS NOT NULL),
       a.explained_by IS NOT NULL, said.is_true, a.cause
FROM alert a JOIN alert_said said USING (alert_id)
WHERE a.first_evidence_at < %(end)s
  AND (a.state <> 'resolved' OR coalesce(a.cleared_at, a.resolved_at) >= %(start)s OR a.opened_at >= %(start)s)
  AND a.zone_id = %(zone)s
ORDER BY a.first_evidence_at, a.alert_id;

-- takings
SELECT zone_id, month, gnf FROM takings WHERE month >= %(first)s AND month < %(end)s;

-- takings_of
SELECT gnf FROM takings WHERE zone_id = %(zone)s AND month = %(month)s;

-- note_takings
INSERT INTO takings (zone_id, month, gnf, noted_by, noted_at) VALUES (%(zone)s, %(month)s, %(gnf)s, %(who)s, %(now)s)
ON CONFLICT (zone_id, month) DO UPDATE SET gnf = EXCLUDED.gnf, noted_by = EXCLUDED.noted_by, noted_at = EXCLUDED.noted_at;

-- forget_takings
DELETE FROM takings WHERE zone_id = %(zone)s AND month = %(month)s;

-- first_day
-- The first day of which there are readings.
SELECT min((first.day AT TIME ZONE 'UTC')::date) FROM latest l CROSS JOIN LATERAL (
    SELECT day FROM reading_day d WHERE d.channel_id = l.channel_id ORDER BY day LIMIT 1) first;

-- draft
SELECT words_fr, words_en FROM report_draft WHERE period = %(period)s AND zone_id IS NOT DISTINCT FROM %(zone)s;

-- last_written
SELECT who, at FROM (
    SELECT written_by, written_at FROM report_draft WHERE period = %(period)s AND zone_id IS NOT DISTINCT FROM %(zone)s
    UNION ALL
    SELECT noted_by, noted_at FROM takings WHERE zone_id = %(zone)s AND month = %(month)s
) AS written (who, at) ORDER BY at DESC LIMIT 1;

-- one_writer
-- Of two who write at once the second sees what the first wrote.
SELECT pg_advisory_xact_lock(hashtext('report_draft'));

-- write_draft
INSERT INTO report_draft (period, zone_id, words_fr, words_en, written_by, written_at)
VALUES (%(period)s, %(zone)s, %(fr)s, %(en)s, %(who)s, %(now)s)
ON CONFLICT (period, zone_id) DO UPDATE SET words_fr = EXCLUDED.words_fr, words_en = EXCLUDED.words_en,
    written_by = EXCLUDED.written_by, written_at = EXCLUDED.written_at;

-- names
-- Whose names no report holds; who is forgotten has none.
SELECT DISTINCT name FROM contact WHERE name <> '' AND (%(zone)s::text IS NULL OR zone_id = %(zone)s);

-- places
-- Zones and communes may bear the name of a person: those words are no secret.
SELECT name FROM zone UNION SELECT commune FROM zone;

-- versions
SELECT version, published_by, published_at FROM published_report
WHERE period = %(period)s AND zone_id IS NOT DISTINCT FROM %(zone)s ORDER BY version DESC;

-- published
-- A version, or the last one.
SELECT version, figures, words_fr, words_en, program, published_by, published_at FROM published_report
WHERE period = %(period)s AND zone_id IS NOT DISTINCT FROM %(zone)s AND (%(version)s::int IS NULL OR version = %(version)s)
ORDER BY version DESC LIMIT 1;

-- all_published
-- How often each report was published, and when last.
SELECT period, zone_id, max(version), max(published_at) FROM published_report GROUP BY period, zone_id;

-- one_publisher
-- Two that publish at once get two numbers.
SELECT pg_advisory_xact_lock(hashtext('published_report'));

-- publish
INSERT INTO published_report (period, zone_id, version, figures, words_fr, words_en, program, published_by, published_at)
SELECT %(period)s, %(zone)s, coalesce(max(version), 0) + 1, %(figures)s::jsonb, %(fr)s, %(en)s, %(program)s, %(who)s, %(now)s
FROM published_report WHERE period = %(period)s AND zone_id IS NOT DISTINCT FROM %(zone)s
RETURNING version;
