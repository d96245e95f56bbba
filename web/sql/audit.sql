-- written
SELECT at, number, who, what, subject, zone_id, before, after FROM written
WHERE (%(who)s::text IS NULL OR starts_with(lower(who), lower(%(who)s)))
  AND (%(about)s::text IS NULL OR lower(subject) = lower(%(about)s) OR zone_id = %(about)s)
  AND (%(before_at)s::timestamptz IS NULL OR (at, number) < (%(before_at)s, %(before_number)s))
ORDER BY at DESC, number DESC LIMIT %(limit)s;
