-- A mail that comes in has no Message-ID here until it is decided: the page of the index is not written for it.
DROP INDEX inbox_mid;
CREATE INDEX inbox_mid ON inbox(mid) WHERE mid IS NOT NULL;
