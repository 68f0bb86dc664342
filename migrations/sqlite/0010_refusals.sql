-- People whose address refuses mail.

CREATE TABLE refusal (
  person INTEGER PRIMARY KEY REFERENCES person(id), -- whose address
  hard INTEGER NOT NULL,                  -- how often it was suppressed because there is nobody at it
  soft INTEGER NOT NULL,                  -- other refusals, counted from
  soft_since INTEGER NOT NULL,            -- here on, ms
  refused_at INTEGER NOT NULL,            -- the last refusal, ms
  reply TEXT NOT NULL,                    -- its words
  until INTEGER NOT NULL,                 -- nothing is sent there before, ms
  tried INTEGER,                          -- the answer that was let through all the same
  tried_at INTEGER,                       -- when, ms
  told INTEGER NOT NULL,                  -- whether admins were told that somebody who works here gets no mail
  version INTEGER NOT NULL                -- raised by each change
) STRICT;
CREATE INDEX refusal_until ON refusal(until);
