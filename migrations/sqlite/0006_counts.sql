-- What the status page counts of deliveries: those that are through are by far the most.

CREATE INDEX delivery_open ON delivery(state, due_at, attempts) WHERE state IN ('waiting', 'claimed', 'failed');
