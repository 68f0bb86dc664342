-- Passwords with which the mail clients of agents log in to send.

CREATE TABLE app_password (
  handle TEXT PRIMARY KEY,                -- its first letters, by which it is found
  person BIGINT NOT NULL REFERENCES person(id), -- whose
  hash TEXT NOT NULL,                     -- Argon2id of the whole, in PHC format
  created_at BIGINT NOT NULL              -- ms
);
CREATE INDEX app_password_person ON app_password(person);
