-- Fetching over IMAP: who polls a folder, what is done there, and how it goes.

-- user and server that the UIDs belong to
ALTER TABLE imap_cursor ADD COLUMN account TEXT NOT NULL DEFAULT '';
-- up to this UID, what is done after the fetch was done
ALTER TABLE imap_cursor ADD COLUMN finished_uid BIGINT NOT NULL DEFAULT 0;
-- day of the newest mail that was there before us, as 21-Nov-2026; empty: all mail is wanted
ALTER TABLE imap_cursor ADD COLUMN first_day TEXT NOT NULL DEFAULT '';
-- JSON list: mails that can't be taken and are still on the server, with why
ALTER TABLE imap_cursor ADD COLUMN left_behind TEXT NOT NULL DEFAULT '[]';
-- node that polls it; NULL: none
ALTER TABLE imap_cursor ADD COLUMN claimed_by BIGINT;
-- ok, failing; empty before the first look
ALTER TABLE imap_cursor ADD COLUMN state TEXT NOT NULL DEFAULT '';
-- since when it is in that state, ms
ALTER TABLE imap_cursor ADD COLUMN since BIGINT NOT NULL DEFAULT 0;
-- what a person should know, in a sentence
ALTER TABLE imap_cursor ADD COLUMN error TEXT NOT NULL DEFAULT '';
-- when it was last looked through, ms
ALTER TABLE imap_cursor ADD COLUMN polled_at BIGINT;
