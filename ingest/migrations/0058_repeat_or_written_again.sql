-- A message centre hands over what it believes unanswered as soon as it is bound again. The same words that come long
-- after that were most likely written again: they are kept, and it is said that they may be a repeat.
ALTER TABLE sms_in ADD COLUMN bound_again_at timestamptz;
ALTER TABLE sms_in ADD COLUMN may_be_repeat boolean NOT NULL DEFAULT false;
