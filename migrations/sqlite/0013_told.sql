-- One mail for all that was new in an agent's quiet hours.

-- Agents whose notification of a ticket was part of such a mail: no row of the outbox says any more that they have heard of it.
CREATE TABLE told (
  ticket INTEGER NOT NULL REFERENCES ticket(id), -- of which
  person INTEGER NOT NULL REFERENCES person(id), -- who
  PRIMARY KEY (ticket, person)
) STRICT;
