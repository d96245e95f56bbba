-- anchors
-- When the uptime of each boot was 0 [µs since 1970]; a boot that was silent for 400 days is not asked for any more.
SELECT zone_id, gateway_id, boot, (extract(epoch FROM anchor_at) * 1000000)::int8
FROM gateway_boot WHERE anchor_at IS NOT NULL AND last_received_at > now() - interval '400 days';

-- estimated_boots
-- As for anchors, a boot that was silent for 400 days is not asked for any more.
SELECT zone_id, gateway_id, boot FROM gateway_boot
WHERE has_estimates AND last_received_at > now() - interval '400 days';

-- arrived_before
-- What of some ranges of numbers has come, as ranges [first, behind).
SELECT zone_id, gateway_id, boot, lower(r), upper(r)
FROM unnest(%(zone)s::text[], %(gateway)s::text[], %(boot)s::text[], %(low)s, %(high)s)
     AS t (zone_id, gateway_id, boot, low, high)
JOIN gateway_boot b USING (zone_id, gateway_id, boot),
     unnest(b.seq * int8multirange(int8range(t.low, t.high, '[]'))) AS r;

-- make_boots
INSERT INTO gateway_boot (zone_id, gateway_id, boot, first_received_at, last_received_at)
SELECT zone_id, gateway_id, boot, %(now)s, %(now)s
FROM unnest(%(zone)s::text[], %(gateway)s::text[], %(boot)s::text[]) AS t (zone_id, gateway_id, boot)
ORDER BY zone_id, gateway_id, boot
ON CONFLICT DO NOTHING;

-- boot_ids
SELECT zone_id, gateway_id, boot, boot_id FROM gateway_boot
JOIN unnest(%(zone)s::text[], %(gateway)s::text[], %(boot)s::text[]) AS t (zone_id, gateway_id, boot)
     USING (zone_id, gateway_id, boot);

-- note_late
INSERT INTO late_arrival (zone_id, first_at)
SELECT zone_id, min(first_at) FROM unnest(%(zone)s::text[], %(first)s) AS t (zone_id, first_at) GROUP BY zone_id;

-- book
-- Rows are locked in the order of their keys, so that two writers cannot lock each other out.
WITH news AS (
    SELECT boot_id, coalesce(range_agg(int8range(low, high, '[]')) FILTER (WHERE came = 1), '{}') AS seq,
           coalesce(range_agg(int8range(low, high, '[]')) FILTER (WHERE came = 0), '{}') AS declared
    FROM unnest(%(boot)s, %(low)s, %(high)s, %(came)s) AS t (boot_id, low, high, came) GROUP BY boot_id
), anchors AS (
    SELECT boot_id, anchor_at FROM unnest(%(anchor_boot)s, %(anchor)s) AS t (boot_id, anchor_at)
), before AS (
    SELECT b.boot_id, b.zone_id, b.gateway_id, b.seq AS old, n.seq AS new, b.declared AS known,
           b.declared + n.declared - b.seq - n.seq AS declared
    FROM gateway_boot b JOIN news n USING (boot_id) ORDER BY b.boot_id FOR UPDATE OF b
), moved AS (
    UPDATE gateway_boot b SET
        seq = x.old + x.new, declared = x.declared, last_received_at = greatest(b.last_received_at, %(now)s),
        anchor_at = coalesce(a.anchor_at, b.anchor_at),
        has_estimates = b.has_estimates OR b.boot_id = ANY(%(estimated)s)
    FROM before x LEFT JOIN anchors a USING (boot_id) WHERE b.boot_id = x.boot_id
), progress AS (
    SELECT zone_id, gateway_id,
           sum(greatest(upper(new + declared) - coalesce(upper(old + known), 1), 0)) AS sent,
           sum((SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(new - old) AS r)) AS arrived,
           sum(CASE WHEN declared = known THEN 0 ELSE
               (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(declared) AS r)
               - (SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM unnest(known) AS r) END) AS declared
    FROM before GROUP BY zone_id, gateway_id
)
INSERT INTO gateway_day (zone_id, gateway_id, day, sent, arrived, declared, received, replayed, stored, duplicate, conflict,
                         set_aside, late, clock_offset_s)
SELECT t.zone_id, t.gateway_id, %(now)s::timestamptz::date, coalesce(p.sent, 0), coalesce(p.arrived, 0), coalesce(p.declared, 0),
       t.received,
       t.replayed, t.stored, t.duplicate, t.conflict, t.set_aside, t.late, nullif(t.clock_offset_s, 'NaN')
FROM unnest(%(zone)s::text[], %(gateway)s::text[], %(received)s, %(replayed)s, %(stored)s, %(duplicate)s, %(conflict)s,
            %(set_aside)s, %(late)s, %(offset)s)
     AS t (zone_id, gateway_id, received, replayed, stored, duplicate, conflict, set_aside, late, clock_offset_s)
LEFT JOIN progress p USING (zone_id, gateway_id)
ORDER BY t.zone_id, t.gateway_id
ON CONFLICT (zone_id, gateway_id, day) DO UPDATE SET
    sent = gateway_day.sent + EXCLUDED.sent, arrived = gateway_day.arrived + EXCLUDED.arrived,
    declared = gateway_day.declared + EXCLUDED.declared,
    received = gateway_day.received + EXCLUDED.received, replayed = gateway_day.replayed + EXCLUDED.replayed,
    stored = gateway_day.stored + EXCLUDED.stored,
    duplicate = gateway_day.duplicate + EXCLUDED.duplicate, conflict = gateway_day.conflict + EXCLUDED.conflict,
    set_aside = gateway_day.set_aside + EXCLUDED.set_aside, late = gateway_day.late + EXCLUDED.late,
    clock_offset_s = greatest(gateway_day.clock_offset_s, EXCLUDED.clock_offset_s);
