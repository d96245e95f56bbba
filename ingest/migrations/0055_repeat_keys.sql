-- A message centre hands an SMS over again until it has our answer, and gives it no id. By these keys it is known, until
-- the centre has proven that our answer arrived: from then on the same words are another SMS.
ALTER TABLE sms_in ADD COLUMN repeat_keys text[];
CREATE INDEX sms_in_unproven ON sms_in (carrier) WHERE repeat_keys IS NOT NULL;
