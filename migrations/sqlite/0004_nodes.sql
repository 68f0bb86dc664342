-- Several processes on one database: whose they are, and bodies that all of them can read.

ALTER TABLE node ADD COLUMN place TEXT NOT NULL DEFAULT ''; -- mark of its data folder

CREATE TABLE blob_part (
  sha BLOB NOT NULL REFERENCES blob(sha), -- of the whole
  n INTEGER NOT NULL,                     -- which part, from 0
  body BLOB NOT NULL,                     -- 1 MiB of the zstd stream
  PRIMARY KEY (sha, n)
) STRICT;

INSERT INTO counter(k, v) VALUES ('by_hand', 0);
