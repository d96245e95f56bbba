-- unproven
-- What is stored, and of which the message centre may not know it: our answer has not been proven to have arrived.
SELECT provider_id, received_at, repeat_keys, bound_again_at FROM sms_in
WHERE carrier = %(carrier)s AND repeat_keys IS NOT NULL ORDER BY sms_in_id;

-- bound_again
-- From now on the message centre can hand over what it believes unanswered.
UPDATE sms_in SET bound_again_at = %(at)s
WHERE carrier = %(carrier)s AND repeat_keys IS NOT NULL AND bound_again_at IS NULL AND received_at < %(at)s;

-- proven
UPDATE sms_in SET repeat_keys = NULL WHERE carrier = %(carrier)s AND provider_id = ANY(%(numbers)s);
