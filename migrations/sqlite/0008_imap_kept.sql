-- Fetching over IMAP: which mails of a folder are kept, to compare with what the server has; and who was told of a refused log-in.

CREATE TABLE imap_kept (
  mailbox TEXT NOT NULL,                  -- as in imap_cursor
  folder TEXT NOT NULL,                   -- as in imap_cursor
  uid INTEGER NOT NULL,                  -- on the server, of the cursor's UIDVALIDITY
  inbox INTEGER NOT NULL,                -- the mail it became
  PRIMARY KEY (mailbox, folder, uid)
) STRICT, WITHOUT ROWID;

-- above this UID each kept mail is a row of imap_kept
ALTER TABLE imap_cursor ADD COLUMN began_uid INTEGER NOT NULL DEFAULT 0;
UPDATE imap_cursor SET began_uid = last_uid;
-- when admins were told that the log-in is refused, ms; NULL: not since it worked
ALTER TABLE imap_cursor ADD COLUMN told_at INTEGER;
-- when the folder was compared with what is kept, ms
ALTER TABLE imap_cursor ADD COLUMN compared_at INTEGER;
-- mails that this has found and that were fetched then
ALTER TABLE imap_cursor ADD COLUMN missed INTEGER NOT NULL DEFAULT 0;
-- when the last of them were, ms
ALTER TABLE imap_cursor ADD COLUMN missed_at INTEGER;
