-- zones
-- Zones whose name, commune or id holds all of the words.
SELECT z.zone_id, z.name, z.commune, count(*) OVER () FROM zone z
WHERE lower(translate(z.name || ' ' || z.commune || ' ' || z.zone_id, %(accents)s, %(plain)s)) LIKE ALL(%(patterns)s)
ORDER BY z.name, z.zone_id LIMIT %(most)s;

-- assets
-- Parts of zones, by what they are called in the page's language (`labels` of `assets`) and where they are.
SELECT a.zone_id, z.name, a.asset_id, count(*) OVER () FROM asset a JOIN zone z USING (zone_id)
JOIN unnest(%(assets)s::text[], %(labels)s::text[]) AS called (asset_id, label) USING (asset_id)
WHERE a.is_active AND lower(translate(called.label || ' ' || a.asset_id || ' ' || z.name || ' ' || z.zone_id, %(accents)s, %(plain)s))
      LIKE ALL(%(patterns)s)
  AND lower(translate(called.label || ' ' || a.asset_id, %(accents)s, %(plain)s)) LIKE ANY(%(patterns)s)
ORDER BY z.name, z.zone_id, a.asset_id LIMIT %(most)s;

-- channels
SELECT c.zone_id, z.name, c.asset_id, c.name, count(*) OVER () FROM channel c JOIN zone z USING (zone_id)
JOIN unnest(%(assets)s::text[], %(labels)s::text[]) AS called (asset_id, label) USING (asset_id)
JOIN unnest(%(channels)s::text[], %(measures)s::text[]) AS measured (name, label) ON measured.name = c.name
WHERE c.is_active
  AND lower(translate(measured.label || ' ' || c.name || ' ' || called.label || ' ' || c.asset_id || ' ' || z.name || ' '
                      || z.zone_id, %(accents)s, %(plain)s)) LIKE ALL(%(patterns)s)
  AND lower(translate(measured.label || ' ' || c.name, %(accents)s, %(plain)s)) LIKE ANY(%(patterns)s)
ORDER BY z.name, z.zone_id, c.asset_id, c.name LIMIT %(most)s;

-- people
-- By name alone: whoever has a phone number is not told whose it is.
SELECT k.zone_id, z.name, k.name, k.role, count(*) OVER () FROM contact k JOIN zone z USING (zone_id)
WHERE k.is_active AND lower(translate(k.name, %(accents)s, %(plain)s)) LIKE ALL(%(patterns)s)
ORDER BY k.name, z.zone_id LIMIT %(most)s;

-- alerts
-- By number or code, as SMS and pages tell them: a number alone finds both.
SELECT a.alert_id, a.code, a.zone_id, z.name, a.fault, a.opened_at, a.state, count(*) OVER ()
FROM alert a JOIN zone z USING (zone_id)
WHERE upper(a.code) = ANY(%(codes)s) OR a.alert_id::text = ANY(%(codes)s)
ORDER BY a.opened_at DESC, a.alert_id DESC LIMIT %(most)s;

-- words
-- Which parts and channels there are at all: what is to be named in the page's language.
SELECT array(SELECT DISTINCT asset_id FROM asset), array(SELECT DISTINCT name FROM channel);
