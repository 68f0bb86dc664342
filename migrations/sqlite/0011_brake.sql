-- The brake on an agent who publishes more answers than one person writes.

CREATE TABLE brake (
  agent INTEGER PRIMARY KEY REFERENCES person(id), -- whose answers
  lot INTEGER NOT NULL,                    -- the held mail about which they were asked; stands in the address that lets all go
  told_at INTEGER NOT NULL,                -- when they were asked, ms
  lifted_until INTEGER NOT NULL            -- until when nothing is held, ms
) STRICT;

-- agent whose brake has held it, or behind whose answers it waits; NULL: none
ALTER TABLE inbox ADD COLUMN braked INTEGER;
CREATE INDEX inbox_braked ON inbox(braked, ticket, id) WHERE braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held');
