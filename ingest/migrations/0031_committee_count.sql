-- Who sits in each committee, and a tariff that nobody has told is not a tariff of 100.
ALTER TABLE zone
    ALTER COLUMN gnf_per_20_l DROP NOT NULL,
    ADD COLUMN women smallint CHECK (women >= 0),
    ADD COLUMN men smallint CHECK (men >= 0),
    ADD COLUMN members_counted_in smallint,          -- the year of the count
    ADD CONSTRAINT zone_members CHECK (num_nonnulls(women, men, members_counted_in) IN (0, 3)) NOT VALID;
ALTER TABLE zone VALIDATE CONSTRAINT zone_members;
