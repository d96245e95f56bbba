-- What was written while the clock was ahead, once it has been set back: it is due when it was meant to be, and not when
-- the clock gets there again. Nothing that is written in its own time lies after `latest`, or after `latest_origin`.

-- jobs
UPDATE job SET next_due_at = %(now)s WHERE next_due_at > %(latest)s;

-- ladders
-- Delays count from now; the next step keeps its distance from the last. They may count from the morning on.
UPDATE ladder SET due_at = due_at - (origin_at - %(now)s), ends_at = ends_at - (origin_at - %(now)s), origin_at = %(now)s
WHERE origin_at > %(latest_origin)s;

-- notifications
UPDATE notification SET created_at = %(now)s, next_try_at = next_try_at - (created_at - %(now)s),
    due_at = due_at - (created_at - %(now)s), valid_until = valid_until - (created_at - %(now)s)
WHERE state IN ('queued', 'held', 'submitting', 'uncertain') AND created_at > %(latest)s;

-- put_off
-- What was queued in its time, and while the clock was ahead was throttled or refused by a route or rang a phone too often.
UPDATE notification SET next_try_at = %(now)s, submitted_at = least(submitted_at, %(now)s)
WHERE state = 'queued' AND (
    submitted_at > %(latest)s OR (attempts > 0 OR reason IN ('enough_for_now', 'enough_this_week')) AND next_try_at > %(latest_try)s);

-- held
-- What waits for others, for a phone to be free or for the morning is held no longer than until the end of the night.
UPDATE notification SET due_at = %(now)s, next_try_at = %(now)s
WHERE state = 'held' AND told_in IS NULL AND due_at > %(latest_origin)s;

-- hand_overs
-- What left and nobody has answered is settled as long after now as it would have been after it left.
UPDATE notification SET submitted_at = %(now)s WHERE state IN ('submitting', 'uncertain') AND submitted_at > %(latest)s;

-- accepted
UPDATE notification SET accepted_at = %(now)s WHERE state = 'accepted' AND accepted_at > %(latest)s;

-- answered
-- An alert that somebody took in charge while the clock was ahead is looked at anew: what follows counts from now.
UPDATE ladder l SET due_at = %(now)s FROM alert a
WHERE a.alert_id = l.alert_id AND l.due_at > %(latest)s AND a.state <> 'resolved'
  AND (a.acknowledged_at > %(latest)s
       OR EXISTS (SELECT 1 FROM sms_in s WHERE s.alert_id = l.alert_id AND s.handled_at > %(latest)s));

-- acknowledged
UPDATE alert SET acknowledged_at = %(now)s WHERE state <> 'resolved' AND acknowledged_at > %(latest)s;

-- silences
-- A zone that was silent by the wrong clock alone ends by the right one, which must lie behind what was last seen.
UPDATE alert SET last_evidence_at = greatest(first_evidence_at, %(now)s), opened_at = least(opened_at, %(now)s)
WHERE state <> 'resolved' AND fault = 'comms_outage' AND last_evidence_at > %(latest)s;

-- words
UPDATE sms_in SET handled_at = %(now)s WHERE handled_at > %(latest)s;

-- webhooks
-- The first try is due when the event was; each later one is put off for longer.
UPDATE webhook_delivery SET next_try_at = %(now)s
WHERE state = 'waiting' AND next_try_at > %(latest)s + coalesce((%(retries)s::interval[])[attempts], '0');
