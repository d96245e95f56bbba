-- unproven
-- What is stored, and of which the message centre may not know it: our answer has not been proven to have arrived.
SELECT provider_id, received_at, repeat_keys FROM sms_in
WHERE carrier = %(carrier)s AND repeat_keys IS NOT NULL ORDER BY sms_in_id;

-- proven
UPDATE sms_in SET repeat_keys = NULL WHERE carrier = %(carrier)s AND provider_id = ANY(%(numbers)s);
