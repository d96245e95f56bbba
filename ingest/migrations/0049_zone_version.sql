-- Each change of what the registry knows of a zone is counted, and which of them were made on the pages and which by a
-- file: a form or a file that was made of an older state is told so, instead of undoing what somebody did since.
ALTER TABLE zone
    ADD COLUMN version        integer NOT NULL DEFAULT 1,
    ADD COLUMN edited_version integer NOT NULL DEFAULT 0,  -- the last change on the pages; 0: none
    ADD COLUMN filed_version  integer NOT NULL DEFAULT 0,  -- the last by a file
    ADD COLUMN edited_by      text,
    ADD COLUMN edited_at      timestamptz,
    ADD CONSTRAINT zone_edited CHECK (num_nonnulls(edited_by, edited_at) IN (0, 2)) NOT VALID;
ALTER TABLE zone VALIDATE CONSTRAINT zone_edited;

-- An asset and a gateway that a zone has no more stay with their past, as channels, people and devices do.
ALTER TABLE asset ADD COLUMN is_active boolean NOT NULL DEFAULT true;
ALTER TABLE gateway ADD COLUMN is_active boolean NOT NULL DEFAULT true;

CREATE INDEX audit_log_zone ON audit_log (zone_id, audit_id);

-- A secretary keeps their committee: its people, and how many women and men sit in it.
GRANT UPDATE (version, edited_version, edited_by, edited_at, women, men, members_counted_in) ON zone TO ndiyan_zone;
