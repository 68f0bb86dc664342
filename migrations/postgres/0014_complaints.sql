-- People who have called a mail of ours unwanted.

-- when, ms: nothing automatic is sent there until a person says so; NULL: never
ALTER TABLE refusal ADD COLUMN complained_at BIGINT;
