-- Articles: the knowledge base.

CREATE TABLE article (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again, so that a slug that comes back is another article
  slug TEXT NOT NULL UNIQUE,              -- its name in addresses and files: a-z, 0-9, hyphen
  version INTEGER NOT NULL,               -- counts every write; guards changes
  title TEXT NOT NULL,                    -- one line
  body TEXT NOT NULL,                     -- Markdown
  size INTEGER NOT NULL,                  -- of the body, in octets: lists are cut by it
  language TEXT NOT NULL,                 -- BCP 47
  visibility TEXT NOT NULL,               -- public, internal
  status TEXT NOT NULL,                   -- draft, published
  created_at INTEGER NOT NULL,            -- ms
  updated_at INTEGER NOT NULL             -- ms
) STRICT;
