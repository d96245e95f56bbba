-- Receipts that nobody can place yet are looked for by the phone that they speak of. Those of foreign or lost SMS stay for
-- ever, so they must cost nothing. An empty or small table while the previous version runs: no need to build it aside.
CREATE INDEX sms_receipt_unplaced_of_phone ON sms_receipt (carrier, phone, received_at) WHERE notification_id IS NULL;
DROP INDEX sms_receipt_unplaced;
