-- How much news an agent was sent lately is counted with each one.
CREATE INDEX outbox_news ON outbox(recipient, created_at, kind) WHERE kind IN ('notify', 'taken', 'woken');
