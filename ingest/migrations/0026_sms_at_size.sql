-- Receipts that nobody can place yet are looked for by the phone that they speak of. Those of foreign or lost SMS stay for
-- ever, so they must cost nothing. And each pass of the sender looks at the bundles of the last days.
-- These tables hold some ten thousand rows a year: there is no need to build aside.
CREATE INDEX sms_receipt_unplaced_of_phone ON sms_receipt (carrier, phone, received_at) WHERE notification_id IS NULL;
DROP INDEX sms_receipt_unplaced;
CREATE INDEX notification_bundle ON notification (created_at) WHERE kind = 'bundle';
