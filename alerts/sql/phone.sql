-- submit
INSERT INTO phone_inbox (ref, phone, text, sent_at, valid_until)
VALUES (%(ref)s, %(phone)s, %(text)s, %(now)s, %(valid_until)s)
ON CONFLICT (ref) DO NOTHING;

-- find
SELECT 1 FROM phone_inbox WHERE ref = %(ref)s;

-- expire
-- What a handset did not show in time it never shows.
UPDATE phone_inbox SET ending = 'expired', ended_at = %(now)s
WHERE delivered_at IS NULL AND ending IS NULL AND valid_until < %(now)s;

-- arrive
-- What has been under way long enough comes to a handset that is on and has a signal. Which ones get lost is a property
-- of the message, so that nothing depends on how often we look.
UPDATE phone_inbox i SET delivered_at = CASE WHEN NOT due.is_lost THEN %(now)s END, copies = due.copies,
    ending = CASE WHEN due.is_lost THEN 'lost' END, ended_at = CASE WHEN due.is_lost THEN %(now)s END
FROM (SELECT u.ref, CASE WHEN coalesce(n.repeats, false) THEN 2 ELSE 1 END AS copies,
             abs(hashtext(u.ref::text)::int8) %% 100 < coalesce(n.loss_pct, 0) AS is_lost
      FROM phone_inbox u LEFT JOIN phone_network n USING (phone)
      WHERE u.delivered_at IS NULL AND u.ending IS NULL AND u.sent_at + coalesce(n.delay, '0') <= %(before)s
        AND coalesce(n.is_on AND n.bars > 0, true)) due
WHERE i.ref = due.ref;

-- receipts
-- What a handset has shown, and what it will never show. What was lost tells nothing.
SELECT ref, phone, ending, coalesce(delivered_at, ended_at) FROM phone_inbox
WHERE NOT receipt_taken AND (delivered_at IS NOT NULL OR ending = 'expired') ORDER BY 4, ref;

-- replies
-- What was typed; without a text somebody rang.
SELECT phone_reply_id, phone, text, sent_at FROM phone_reply WHERE NOT taken ORDER BY phone_reply_id;

-- receipt_done
UPDATE phone_inbox SET receipt_taken = true WHERE ref = %(id)s::uuid;

-- reply_done
UPDATE phone_reply SET taken = true WHERE phone_reply_id = %(id)s::bigint;
