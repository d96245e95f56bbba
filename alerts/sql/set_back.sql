-- What was written while the clock was ahead, once it has been set back: it is due when it was meant to be, and not when
-- the clock gets there again. Nothing that is written in its own time lies after `latest`, or after `latest_origin`.

-- jobs
UPDATE job SET next_due_at = %(now)s WHERE next_due_at > %(latest)s;

-- ladders
-- Delays count from now; the next step keeps its distance from the last. They may count from the morning on.
UPDATE ladder SET due_at = due_at - (origin_at - %(now)s), origin_at = %(now)s WHERE origin_at > %(latest_origin)s;

-- notifications
UPDATE notification SET created_at = %(now)s, next_try_at = next_try_at - (created_at - %(now)s),
    due_at = due_at - (created_at - %(now)s), valid_until = valid_until - (created_at - %(now)s)
WHERE state IN ('queued', 'held') AND created_at > %(latest)s;
