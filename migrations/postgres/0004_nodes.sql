-- Several processes on one database: whose they are, and bodies that all of them can read.

ALTER TABLE node ADD COLUMN place TEXT NOT NULL DEFAULT ''; -- mark of its data folder

CREATE TABLE blob_part (
  sha BYTEA NOT NULL REFERENCES blob(sha),  -- of the whole
  n BIGINT NOT NULL,                        -- which part, from 0
  body BYTEA NOT NULL,                      -- 1 MiB of the zstd stream
  PRIMARY KEY (sha, n)
);

-- Committed events that have no place in the log yet.
CREATE INDEX event_unnumbered ON event(id) WHERE seq IS NULL;
-- Rows that change often leave room for their next version beside them.
ALTER TABLE inbox SET (fillfactor = 70);
ALTER TABLE outbox SET (fillfactor = 70);

INSERT INTO counter(k, v) VALUES ('by_hand', 0);
