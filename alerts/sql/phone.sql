-- submit
INSERT INTO phone_inbox (ref, phone, text, sent_at) VALUES (%(ref)s, %(phone)s, %(text)s, %(now)s)
ON CONFLICT (ref) DO NOTHING;

-- find
SELECT 1 FROM phone_inbox WHERE ref = %(ref)s;

-- deliver
-- The handset shows what has been under way long enough.
UPDATE phone_inbox SET delivered_at = %(now)s WHERE delivered_at IS NULL AND sent_at <= %(before)s;

-- receipts
SELECT ref, phone, delivered_at FROM phone_inbox WHERE delivered_at IS NOT NULL AND NOT receipt_taken ORDER BY delivered_at;

-- replies
-- What was typed; without a text somebody rang.
SELECT phone_reply_id, phone, text, sent_at FROM phone_reply WHERE NOT taken ORDER BY phone_reply_id;

-- receipt_done
UPDATE phone_inbox SET receipt_taken = true WHERE ref = %(id)s::uuid;

-- reply_done
UPDATE phone_reply SET taken = true WHERE phone_reply_id = %(id)s::bigint;
