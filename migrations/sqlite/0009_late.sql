-- Mail that waits for long: whoever wrote it hears of it once.

-- whether they have
ALTER TABLE outbox ADD COLUMN told_late INTEGER NOT NULL DEFAULT 0;
