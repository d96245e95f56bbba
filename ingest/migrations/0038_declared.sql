-- What a gateway had no room for and says so: numbers that were thinned away and will not come.
--
-- `gateway_boot.declared` holds them as long as they have not come after all, so that it never meets `seq`.
--   missing at the end of a day = sum(sent) - sum(arrived) - sum(declared) over this day and all before it
-- A reading that comes although it was declared counts as arrived, and is taken off `declared` of the day on which it comes.
ALTER TABLE gateway_boot ADD COLUMN declared int8multirange NOT NULL DEFAULT '{}';
ALTER TABLE gateway_day ADD COLUMN declared bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW grafana_account AS
SELECT d.day::timestamptz AS time, d.zone_id AS zone, d.gateway_id AS gateway, d.sent, d.arrived, d.received, d.stored,
       d.duplicate, d.conflict, d.set_aside, d.late, d.clock_offset_s, d.declared
FROM gateway_day d;
