-- The brake on an agent who publishes more answers than one person writes.

CREATE TABLE brake (
  agent BIGINT PRIMARY KEY REFERENCES person(id), -- whose answers
  lot BIGINT NOT NULL,                    -- the held mail about which they were asked; stands in the address that lets all go
  told_at BIGINT NOT NULL,                -- when they were asked, ms
  lifted_until BIGINT NOT NULL            -- until when nothing is held, ms
);

-- agent whose brake has held it, or behind whose answers it waits; NULL: none
ALTER TABLE inbox ADD COLUMN braked BIGINT;
CREATE INDEX inbox_braked ON inbox(braked, ticket, id) WHERE braked IS NOT NULL AND state IN ('waiting', 'claimed', 'held');
