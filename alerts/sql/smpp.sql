-- stored_before
-- The newest of these ids under which an inbound SMS is stored already.
SELECT provider_id FROM sms_in WHERE carrier = %(carrier)s AND provider_id = ANY(%(ids)s)
ORDER BY sms_in_id DESC LIMIT 1;
