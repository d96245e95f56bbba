-- Whether a reading of this boot was ever dated anew: all its readings are then known by their number, because an estimate
-- moves. Of boots before this migration nobody knows, so they count as such: it only costs a look-up until the next boot.
ALTER TABLE gateway_boot ADD COLUMN has_estimates boolean NOT NULL DEFAULT true;
ALTER TABLE gateway_boot ALTER COLUMN has_estimates SET DEFAULT false;
