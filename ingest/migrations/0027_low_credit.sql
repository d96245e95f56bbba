-- Since when a route has too little credit; told to the engineers once, until there is enough again.
ALTER TABLE carrier_state ADD COLUMN low_since timestamptz;
