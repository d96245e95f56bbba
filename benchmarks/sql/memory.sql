-- Whether what a gateway sent is stored, and all of it judged.

-- backlog
-- The simulator measures at whole minutes, what was sent lies seven seconds after them.
SELECT count(*) FROM reading r JOIN channel c USING (channel_id)
WHERE c.name = 'level_m' AND extract(second FROM r.measured_at) = 7;

-- judged
SELECT bool_and(j.watermark_at >= heard.at - interval '10 minutes') FROM job j CROSS JOIN LATERAL (
    SELECT max(l.measured_at) AS at FROM channel c JOIN latest l USING (channel_id) WHERE c.zone_id = j.zone_id) heard;
