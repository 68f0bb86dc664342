-- People whose address refuses mail.

CREATE TABLE refusal (
  person BIGINT PRIMARY KEY REFERENCES person(id), -- whose address
  hard BIGINT NOT NULL,                  -- how often it was suppressed because there is nobody at it
  soft BIGINT NOT NULL,                  -- other refusals, counted from
  soft_since BIGINT NOT NULL,            -- here on, ms
  refused_at BIGINT NOT NULL,            -- the last refusal, ms
  reply TEXT NOT NULL,                    -- its words
  until BIGINT NOT NULL,                 -- nothing is sent there before, ms
  tried BIGINT,                          -- the answer that was let through all the same
  tried_at BIGINT,                       -- when, ms
  told BIGINT NOT NULL,                  -- whether admins were told that somebody who works here gets no mail
  version BIGINT NOT NULL                -- raised by each change
);
CREATE INDEX refusal_until ON refusal(until);
