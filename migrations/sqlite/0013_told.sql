-- One mail for all that was new in an agent's quiet hours.

-- Agents whose notification of a ticket was part of such a mail: no row of the outbox says any more that they have heard of it.
-- Its ticket is not checked: that would lock the ticket, which is held by a decision that waits for the timer of the same quiet hours.
-- The rows of the outbox that it is taken from name one.
CREATE TABLE told (
  ticket INTEGER NOT NULL,                       -- of which
  person INTEGER NOT NULL REFERENCES person(id), -- who
  PRIMARY KEY (ticket, person)
) STRICT;
