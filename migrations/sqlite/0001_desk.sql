-- The desk: mail in, tickets, mail out, and the log of what happened.

CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),  -- the only row
  log_id TEXT NOT NULL,                   -- new after each restore, so that cursors kept outside notice
  people_version INTEGER NOT NULL,        -- counts changes of staff; guards decisions
  index_epoch INTEGER NOT NULL            -- raised by reindex: each node then rebuilds its index
) STRICT;

CREATE TABLE node (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- one per start of the program, never used again
  name TEXT NOT NULL,                     -- host name and process id, for people
  started_at INTEGER NOT NULL,            -- ms
  beat_at INTEGER NOT NULL,               -- last sign of life, ms
  dead INTEGER NOT NULL,                  -- 1: its claims were freed
  config_hash TEXT NOT NULL,              -- shows drift between nodes
  key_ids TEXT NOT NULL,                  -- keys it signs and verifies with
  index_seq INTEGER NOT NULL              -- how far its index has read the log
) STRICT;

CREATE TABLE blob (
  sha BLOB PRIMARY KEY,                   -- SHA-256 of the plain bytes
  size INTEGER NOT NULL,                  -- of the plain bytes, in octets
  place INTEGER NOT NULL,                 -- 0: body below; 1: file in the data folder
  body BLOB,                              -- zstd, when place is 0
  key_id INTEGER                          -- key it is encrypted with; NULL: none
) STRICT;

CREATE TABLE inbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- one delivery with all its recipients
  received_at INTEGER NOT NULL,           -- ms
  transport TEXT NOT NULL,                -- smtp, lmtp, imap, pipe, http
  envelope TEXT NOT NULL,                 -- JSON: MAIL FROM, RCPT TO, connection
  blob BLOB NOT NULL REFERENCES blob(sha),-- the raw mail
  state TEXT NOT NULL,                    -- waiting, claimed, held, done
  due_at INTEGER NOT NULL,                -- not to be claimed before, ms
  attempts INTEGER NOT NULL,              -- counted in the claim's commit
  claimed_by INTEGER,                     -- node that works on it
  fate TEXT NOT NULL,                     -- waiting, ticket, message, duplicate, automatic, held
  ticket INTEGER,                         -- where it went
  reason TEXT NOT NULL,                   -- why; of a held mail a word of the list of reasons
  detail TEXT NOT NULL,                   -- the same in a sentence for people
  mid TEXT,                               -- Message-ID without angle brackets
  sender TEXT,                            -- address in From
  subject TEXT NOT NULL,                  -- for lists
  released_by INTEGER,                    -- who let it through: a person, 0 for the command line; NULL: nobody
  passed TEXT NOT NULL DEFAULT '',        -- reasons for which it was held and let through
  told INTEGER NOT NULL,                  -- 1: a person was told that it is held
  decided_from TEXT NOT NULL              -- JSON: what the decision was made from
) STRICT;
CREATE INDEX inbox_live ON inbox(due_at, id) WHERE state IN ('waiting', 'claimed');
CREATE INDEX inbox_held ON inbox(id) WHERE state = 'held';
CREATE INDEX inbox_mid ON inbox(mid);
CREATE INDEX inbox_blob ON inbox(blob);

CREATE TABLE imap_cursor (
  mailbox TEXT NOT NULL,                  -- support address whose mail is fetched
  folder TEXT NOT NULL,                   -- folder on the server
  uidvalidity INTEGER NOT NULL,           -- UIDVALIDITY of the folder
  last_uid INTEGER NOT NULL,              -- highest UID that is kept
  PRIMARY KEY (mailbox, folder)
) STRICT;

CREATE TABLE dedup (
  fingerprint BLOB NOT NULL,              -- of what the mail says, not of its bytes
  scope INTEGER NOT NULL,                 -- ticket of a valid token, else 0
  inbox INTEGER NOT NULL,                 -- the mail that was filed
  at INTEGER NOT NULL,                    -- ms; forgotten after 400 days
  PRIMARY KEY (fingerprint, scope)
) STRICT;

CREATE TABLE mailbox (
  id INTEGER PRIMARY KEY,                 -- stands in tickets
  address TEXT NOT NULL UNIQUE,           -- support address, folded
  retired_at INTEGER                      -- when it left the configuration, ms
) STRICT;

CREATE TABLE person (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- stands in tokens
  key TEXT NOT NULL UNIQUE,               -- address, folded
  address TEXT NOT NULL,                  -- address as we mail to it
  name TEXT,                              -- display name
  role TEXT NOT NULL,                     -- customer, viewer, agent, admin
  epoch INTEGER NOT NULL,                 -- raised to revoke all their tokens
  disabled INTEGER NOT NULL,              -- 1: works here no more
  answered INTEGER NOT NULL,              -- 1: has answered a signed address of ours
  spam_until INTEGER,                     -- their mail is held until then, ms
  settings TEXT NOT NULL,                 -- JSON: teams, notifications, ...
  created_at INTEGER NOT NULL             -- ms
) STRICT;
CREATE INDEX person_staff ON person(id) WHERE role <> 'customer';

CREATE TABLE alias (
  key TEXT PRIMARY KEY,                   -- further verified address, folded
  person INTEGER NOT NULL REFERENCES person(id) -- whose
) STRICT;

CREATE TABLE ticket (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- its number
  version INTEGER NOT NULL,               -- counts every write; guards commits
  turn INTEGER NOT NULL,                  -- counts what people said; stands in reply tokens
  status TEXT NOT NULL,                   -- open, pending, on_hold, solved, closed, spam
  priority TEXT NOT NULL,                 -- low, normal, high, urgent
  subject TEXT NOT NULL,                  -- of its first mail
  mailbox INTEGER NOT NULL REFERENCES mailbox(id), -- where it came in
  requester INTEGER NOT NULL REFERENCES person(id), -- whose it is
  assignee INTEGER REFERENCES person(id), -- who works it
  assigned_turn INTEGER NOT NULL,         -- tokens of earlier turns were handed out before the assignment
  assigned_by INTEGER,                    -- who gave it to its assignee
  team TEXT,                              -- whose agents hear of it
  tags TEXT NOT NULL,                     -- JSON list
  merged_into INTEGER REFERENCES ticket(id), -- where it continues after a merge
  continues INTEGER REFERENCES ticket(id),-- the closed ticket that it continues
  messages INTEGER NOT NULL,              -- how many it has
  solved_at INTEGER,                      -- when it was solved, ms
  created_at INTEGER NOT NULL,            -- ms
  updated_at INTEGER NOT NULL             -- ms
) STRICT;
CREATE INDEX ticket_updated ON ticket(updated_at, id);
CREATE INDEX ticket_continues ON ticket(continues) WHERE continues IS NOT NULL;
CREATE INDEX ticket_requester ON ticket(requester, created_at);

CREATE TABLE message (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- one mail or note on a ticket
  ticket INTEGER NOT NULL REFERENCES ticket(id), -- on which
  turn INTEGER NOT NULL,                  -- turn of the ticket after it
  kind TEXT NOT NULL,                     -- customer, agent, note, system
  public INTEGER NOT NULL,                -- 1: customers may see it
  author INTEGER REFERENCES person(id),   -- who wrote it; NULL: the desk
  blob BLOB,                              -- the raw mail, which its delivery names, too
  inbox INTEGER,                          -- the delivery it came from
  mid TEXT,                               -- Message-ID without angle brackets
  subject TEXT NOT NULL,                  -- of this mail
  automatic TEXT,                         -- class of automatic mail
  flags TEXT NOT NULL,                    -- JSON list: unverified, third_party, ...
  verdict TEXT,                           -- JSON: what the checks of its author found
  created_at INTEGER NOT NULL             -- when it was received, ms
) STRICT;
CREATE INDEX message_ticket ON message(ticket, created_at, id);
CREATE INDEX message_author ON message(author, created_at) WHERE kind = 'agent';

CREATE TABLE message_body (
  message INTEGER PRIMARY KEY REFERENCES message(id), -- texts stand apart so that lists stay small
  text TEXT NOT NULL,                     -- whole text; of an answer what was sent
  reply_text TEXT NOT NULL,               -- what the writer wrote this time
  html TEXT,                              -- sanitized
  attachments TEXT NOT NULL               -- JSON list
) STRICT;

CREATE TABLE message_ref (
  hash TEXT NOT NULL,                     -- half of the SHA-256 of the folded Message-ID, hex
  ticket INTEGER NOT NULL REFERENCES ticket(id), -- where it was seen
  own INTEGER NOT NULL,                   -- 1: id of a mail on it; 0: a mail there names it
  PRIMARY KEY (hash, ticket, own)
) STRICT;

CREATE TABLE participant (
  ticket INTEGER NOT NULL REFERENCES ticket(id), -- on which
  person INTEGER NOT NULL REFERENCES person(id), -- who
  standing TEXT NOT NULL,                 -- requester, cc, follower, left
  epoch INTEGER NOT NULL,                 -- raised to revoke this one token
  PRIMARY KEY (ticket, person)
) STRICT;

CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- order of insertion
  seq INTEGER UNIQUE,                     -- order of the log, dense from 1
  type TEXT NOT NULL,                     -- ticket.created, ...
  at INTEGER NOT NULL,                    -- ms
  actor TEXT NOT NULL,                    -- person:ID, system, cli
  ticket INTEGER,                         -- about which ticket
  data TEXT,                              -- JSON: ids and small values; NULL once erased
  salt BLOB,                              -- of the commitment; NULL before sealing and once erased
  commitment BLOB                         -- HMAC of the data under the salt; NULL before sealing
) STRICT;

CREATE TABLE seal (
  upto INTEGER PRIMARY KEY,               -- last event it covers
  root BLOB NOT NULL,                     -- Merkle root of its events
  prev BLOB NOT NULL,                     -- the seal before
  mac BLOB NOT NULL,                      -- over all of it
  key_id INTEGER NOT NULL                 -- key of the MAC
) STRICT;

CREATE TABLE cursor (
  name TEXT PRIMARY KEY,                  -- reader of the log
  seq INTEGER NOT NULL                    -- last event it has handled
) STRICT;

CREATE TABLE counter (
  k TEXT PRIMARY KEY,                     -- what is counted
  v INTEGER NOT NULL                      -- how many
) STRICT;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- one mail to one recipient; stands in its Message-ID
  ticket INTEGER REFERENCES ticket(id),   -- about which ticket; NULL for digests
  recipient INTEGER NOT NULL REFERENCES person(id), -- to whom
  address TEXT NOT NULL,                  -- their address
  address_key TEXT NOT NULL,              -- the same, folded
  domain TEXT NOT NULL,                   -- its domain, folded
  lane TEXT NOT NULL,                     -- ticket and recipient: order holds within
  kind TEXT NOT NULL,                     -- ack, answer, notify, taken, held, digest, failed, receipt
  message INTEGER REFERENCES message(id), -- what it carries
  params TEXT NOT NULL,                   -- JSON: what the composer needs beside that
  composed BLOB,                          -- SHA-256 of the composed mail, kept until a day after it is settled
  state TEXT NOT NULL,                    -- waiting, claimed, sent, failed, unknown
  due_at INTEGER NOT NULL,                -- not before, ms
  attempts INTEGER NOT NULL,              -- counted in the claim's commit
  claimed_by INTEGER,                     -- node that sends it
  last_reply TEXT,                        -- the remote server's last words
  created_at INTEGER NOT NULL,            -- ms
  settled_at INTEGER                      -- ms
) STRICT;
CREATE INDEX outbox_live ON outbox(due_at, id) WHERE state IN ('waiting', 'claimed');
CREATE INDEX outbox_lane ON outbox(lane, id) WHERE state IN ('waiting', 'claimed');
CREATE INDEX outbox_ticket ON outbox(ticket, kind);
CREATE INDEX outbox_acks ON outbox(address_key, created_at) WHERE kind = 'ack';
CREATE INDEX outbox_holds ON outbox(recipient, created_at) WHERE kind = 'held';
CREATE INDEX outbox_ack_domains ON outbox(domain, created_at) WHERE kind = 'ack';
CREATE INDEX outbox_composed ON outbox(settled_at) WHERE composed IS NOT NULL AND settled_at IS NOT NULL;
CREATE INDEX outbox_failed ON outbox(id) WHERE state IN ('failed', 'unknown');

CREATE TABLE delivery (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- one series of tries of one event to one endpoint
  endpoint INTEGER NOT NULL,              -- receiver
  event INTEGER NOT NULL,                 -- what happened
  body TEXT NOT NULL,                     -- rendered once, identical in every try
  state TEXT NOT NULL,                    -- waiting, claimed, sent, failed
  due_at INTEGER NOT NULL,                -- not before, ms
  attempts INTEGER NOT NULL,              -- tries so far
  claimed_by INTEGER                      -- node that sends it
) STRICT;

CREATE TABLE timer (
  kind TEXT NOT NULL,                     -- close, digest
  ticket INTEGER NOT NULL,                -- about which ticket; 0 for none
  key TEXT NOT NULL,                      -- tells timers of one kind and ticket apart
  due_at INTEGER NOT NULL,                -- when, ms
  PRIMARY KEY (kind, ticket, key)
) STRICT;
CREATE INDEX timer_due ON timer(due_at);

CREATE TABLE api_token (
  id INTEGER PRIMARY KEY AUTOINCREMENT,   -- for list and revoke
  name TEXT NOT NULL,                     -- what it is for
  hash BLOB NOT NULL UNIQUE,              -- SHA-256 of the token
  scope TEXT NOT NULL,                    -- read, write, admin
  agent INTEGER REFERENCES person(id),    -- who speaks through it
  created_at INTEGER NOT NULL,            -- ms
  expires_at INTEGER,                     -- ms
  revoked_at INTEGER                      -- ms
) STRICT;

INSERT INTO counter(k, v) VALUES ('event', 0);
