-- has_tables
SELECT to_regclass('smsd.gammu') IS NOT NULL;

-- version
SELECT "Version" FROM smsd.gammu;

-- guarded
SELECT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = 'ndiyan_guard' AND tgrelid = 'smsd.sentitems'::regclass);

-- guard
-- The daemon writes an empty status when a status report has no text it knows. The table refuses that, the daemon reads the
-- same report again for ever and nothing comes in any more. So it is stored as unknown, marked with the code 999.
CREATE OR REPLACE FUNCTION smsd.ndiyan_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW."Status" NOT IN ('SendingOK', 'SendingOKNoReport', 'SendingError', 'DeliveryOK', 'DeliveryFailed',
                            'DeliveryPending', 'DeliveryUnknown', 'Error') THEN
        NEW."Status" := 'DeliveryUnknown';
        NEW."StatusCode" := 999;
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER ndiyan_guard BEFORE UPDATE ON smsd.sentitems
    FOR EACH ROW EXECUTE FUNCTION smsd.ndiyan_guard();

-- waiting
SELECT count(*) FROM smsd.outbox WHERE "SenderID" = %(phone_id)s;

-- hand_over
-- The daemon's number is drawn by us, so that its story can be followed. What the daemon still has, or has sent without our
-- having heard of it, is not given twice: only what is known to have failed is.
INSERT INTO gammu_handover (message_id, ref, carrier, phone, urgency, submitted_at, valid_until)
SELECT nextval('smsd."outbox_ID_seq"'), %(ref)s, %(carrier)s, %(phone)s, %(urgency)s, %(now)s, %(valid_until)s
WHERE NOT EXISTS (
    SELECT 1 FROM gammu_handover h WHERE h.ref = %(ref)s AND h.told NOT IN ('uncertain', 'withdrawn')
      AND (EXISTS (SELECT 1 FROM smsd.outbox o WHERE o."ID" = h.message_id)
           OR EXISTS (SELECT 1 FROM smsd.sentitems s WHERE s."ID" = h.message_id AND s."CreatorID" = h.ref::text)))
RETURNING message_id;

-- outbox
-- Equal times tell that the daemon has not had it in its hands yet.
INSERT INTO smsd.outbox ("ID", "CreatorID", "SenderID", "DestinationNumber", "TextDecoded", "Coding", "UDH", "MultiPart",
                         "DeliveryReport", "Priority", "SendingDateTime", "SendingTimeOut")
VALUES (%(message_id)s, %(ref)s::text, %(phone_id)s, %(phone)s, %(text)s, %(coding)s, %(udh)s, %(is_long)s,
        'yes', %(urgency)s, LOCALTIMESTAMP(0) - interval '1 second', LOCALTIMESTAMP(0) - interval '1 second');

-- outbox_part
INSERT INTO smsd.outbox_multipart ("ID", "SequencePosition", "TextDecoded", "Coding", "UDH")
VALUES (%(message_id)s, %(place)s, %(text)s, %(coding)s, %(udh)s);

-- drop_what_left
-- It stands among the sent ones and still in the outbox: the daemon died between the two and would send it again.
DELETE FROM smsd.outbox o USING smsd.sentitems s
WHERE o."SenderID" = %(phone_id)s AND NOT o."MultiPart" AND s."ID" = o."ID" AND s."CreatorID" = o."CreatorID"
  AND s."Status" NOT IN ('SendingError', 'Error');

-- notice_doubt
-- The daemon had it, its turn is over and it is still here: the daemon died with it in hand or the modem did not answer,
-- so it may have left, and the daemon will send it again.
UPDATE gammu_handover h SET maybe_twice = true FROM smsd.outbox o
WHERE o."ID" = h.message_id AND o."SenderID" = %(phone_id)s AND NOT h.maybe_twice
  AND o."SendingTimeOut" > o."SendingDateTime" AND o."SendingTimeOut" < LOCALTIMESTAMP;

-- withdraw
-- What is too late, what may have left and must rather never than twice, and what lies before a daemon that sleeps is taken
-- out of the daemon's sight: it takes up nothing whose time to be sent, or whose lock, lies ahead. It stays until the sender
-- has written down what became of it.
UPDATE smsd.outbox o SET "SendingDateTime" = 'infinity', "SendingTimeOut" = 'infinity' FROM gammu_handover h
WHERE h.message_id = o."ID" AND o."SenderID" = %(phone_id)s AND o."SendingTimeOut" < LOCALTIMESTAMP
  AND o."SendingDateTime" <> 'infinity'
  AND (h.valid_until < %(now)s OR (h.urgency < %(may_be_twice)s AND h.maybe_twice)
       OR (SELECT max("TimeOut") FROM smsd.phones WHERE "ID" = %(phone_id)s) < LOCALTIMESTAMP - %(asleep)s);

-- withdrawn
SELECT h.message_id, h.ref, h.maybe_twice, h.valid_until < %(now)s
FROM smsd.outbox o JOIN gammu_handover h ON h.message_id = o."ID"
WHERE o."SenderID" = %(phone_id)s AND o."SendingDateTime" = 'infinity' ORDER BY h.message_id;

-- forget_withdrawn
WITH told AS (UPDATE gammu_handover SET told = 'withdrawn' WHERE message_id = %(message_id)s),
part AS (DELETE FROM smsd.outbox_multipart WHERE "ID" = %(message_id)s)
DELETE FROM smsd.outbox WHERE "ID" = %(message_id)s AND "SendingDateTime" = 'infinity';

-- stories
-- How far each message is whose story has moved on since it was told; of several parts the worst one speaks.
SELECT * FROM (
    SELECT h.message_id, h.ref, h.phone, h.told, max(s."SendingDateTime") AS sent_at,
           max(s."DeliveryDateTime") AS delivered_at, max(s."StatusError") AS error, min(s."TextDecoded") AS head,
           CASE WHEN bool_or(s."Status" IN ('SendingError', 'Error')) THEN 'uncertain'
                WHEN bool_or(s."Status" = 'DeliveryFailed') THEN 'undelivered'
                WHEN bool_or(s."Status" = 'DeliveryUnknown') THEN 'unknown'
                WHEN bool_and(s."Status" = 'DeliveryOK') THEN 'delivered'
                WHEN bool_or(s."Status" = 'DeliveryPending') THEN 'on_the_network'
                ELSE 'sent' END AS state
    FROM gammu_handover h
    JOIN smsd.sentitems s ON s."ID" = h.message_id AND s."CreatorID" = h.ref::text
    WHERE h.carrier = %(carrier)s AND h.submitted_at > %(since)s
      AND NOT EXISTS (SELECT 1 FROM smsd.outbox o WHERE o."ID" = h.message_id)
    GROUP BY h.message_id) story
WHERE state <> told ORDER BY message_id;

-- told
UPDATE gammu_handover SET told = %(state)s WHERE message_id = %(message_id)s;

-- find
-- What the daemon says of the newest hand-over of a message: it has it still, it has let it go, or we took it back and nobody
-- knows; nothing of one that it never had.
SELECT message_id, is_there, is_doubtful FROM (
    SELECT h.message_id, EXISTS (SELECT 1 FROM smsd.outbox o WHERE o."ID" = h.message_id) AS is_there, coalesce((
               SELECT bool_or(s."Status" IN ('SendingError', 'Error')) FROM smsd.sentitems s
               WHERE s."ID" = h.message_id AND s."CreatorID" = h.ref::text),
           CASE WHEN h.told = 'withdrawn' AND h.maybe_twice THEN true END) AS is_doubtful
    FROM gammu_handover h WHERE h.ref = %(ref)s) story
WHERE is_there OR is_doubtful IS NOT NULL ORDER BY message_id DESC LIMIT 1;

-- inbox
SELECT "ID", "SenderNumber", "TextDecoded", "UDH", "ReceivingDateTime", "UpdatedInDB",
       "UpdatedInDB" < LOCALTIMESTAMP - %(gather)s::interval
FROM smsd.inbox WHERE "RecipientID" = %(phone_id)s AND NOT "Processed" ORDER BY "ID" LIMIT 500;

-- processed
UPDATE smsd.inbox SET "Processed" = true WHERE "ID" = ANY(%(numbers)s);

-- phone
SELECT "TimeOut" >= LOCALTIMESTAMP(0), "Signal", "NetName" FROM smsd.phones WHERE "ID" = %(phone_id)s
ORDER BY "UpdatedInDB" DESC LIMIT 1;

-- doubts
SELECT (SELECT count(*) FROM gammu_handover WHERE carrier = %(carrier)s AND maybe_twice AND submitted_at > %(since)s),
       (SELECT count(*) FROM smsd.sentitems
        WHERE "SenderID" = %(phone_id)s AND "StatusCode" = 999 AND "UpdatedInDB" > LOCALTIMESTAMP - interval '1 day');
