-- Webhooks: who hears of events, and how each delivery goes.

CREATE TABLE endpoint (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- a receiver; never used again
  url TEXT NOT NULL,                      -- where to, as checked; empty once removed
  secret TEXT NOT NULL,                   -- whsec_..., signs its deliveries; empty once removed
  events TEXT NOT NULL,                   -- JSON list of types; * is all
  from_seq INTEGER NOT NULL,              -- place in the log when it was made or enabled: it hears of what is behind
  created_at INTEGER NOT NULL,            -- ms
  enabled_at INTEGER NOT NULL,            -- when it was made or last enabled, ms
  disabled_at INTEGER,                    -- since when nothing is sent to it, ms; NULL: it is enabled
  disabled_why TEXT NOT NULL DEFAULT '',  -- in a sentence for people
  last_success_at INTEGER,                -- ms
  failing_since INTEGER,                  -- first failure since the last success, ms
  removed_at INTEGER                      -- ms; its deliveries are swept, the row stays
) STRICT;

-- webhook-id, the same in every try and every series
ALTER TABLE delivery ADD COLUMN message TEXT NOT NULL DEFAULT '';
-- type of the event
ALTER TABLE delivery ADD COLUMN type TEXT NOT NULL DEFAULT '';
-- ms
ALTER TABLE delivery ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
-- when this series was first tried, ms
ALTER TABLE delivery ADD COLUMN first_at INTEGER;
-- when it was sent or given up, ms
ALTER TABLE delivery ADD COLUMN settled_at INTEGER;
-- when it was last tried, ms
ALTER TABLE delivery ADD COLUMN last_at INTEGER;
-- HTTP status of the last try; NULL: no answer
ALTER TABLE delivery ADD COLUMN last_status INTEGER;
-- why the last try failed; empty: it did not
ALTER TABLE delivery ADD COLUMN last_reason TEXT NOT NULL DEFAULT '';
-- how long the last try took, ms
ALTER TABLE delivery ADD COLUMN last_ms INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX delivery_message ON delivery(message);
CREATE INDEX delivery_waiting ON delivery(endpoint, due_at, id) WHERE state = 'waiting';
CREATE INDEX delivery_claimed ON delivery(endpoint) WHERE state = 'claimed';
CREATE INDEX delivery_endpoint ON delivery(endpoint, id);
CREATE INDEX delivery_settled ON delivery(settled_at) WHERE settled_at IS NOT NULL;

CREATE TABLE delivery_try (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order of the tries
  delivery INTEGER NOT NULL,              -- of which delivery
  at INTEGER NOT NULL,                    -- when it ended, ms
  status INTEGER,                         -- HTTP status; NULL: no answer
  reason TEXT NOT NULL,                   -- why it failed; empty: it did not
  ms INTEGER NOT NULL                     -- how long it took, ms
) STRICT;
CREATE INDEX delivery_try_of ON delivery_try(delivery, id);
