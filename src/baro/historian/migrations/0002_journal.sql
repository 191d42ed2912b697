-- Journals of the agents of stand-alone instruments: one row an entry, as it stands in the journal, with what is asked for
-- taken out of it. Every row is an entry of the audit trail, so the chain of each agent is in the log, link by link.

CREATE TABLE historian_journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  agent text NOT NULL CHECK (octet_length(agent) BETWEEN 1 AND 64),
  number bigint NOT NULL CHECK (number > 0),
  -- SHA-256 (hex) of the line before, and of this one
  previous text NOT NULL CHECK (length(previous) = 64),
  hash text NOT NULL CHECK (length(hash) = 64),
  line text NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  finding text NOT NULL,
  instrument text NOT NULL,
  -- as it can be shown: bytes of a name that are no UTF-8 are written out; the line has the very bytes
  path text NOT NULL,
  detail text NOT NULL,
  digest text NOT NULL CHECK (digest = '' OR length(digest) = 64),
  size bigint,
  version bigint,
  modified_at timestamptz,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT historian_journal_key UNIQUE (company_id, agent, number)
);
CREATE INDEX historian_journal_instrument ON historian_journal (company_id, instrument, id);
CREATE INDEX historian_journal_finding ON historian_journal (company_id, id) WHERE finding <> '';
CREATE INDEX historian_journal_digest ON historian_journal (company_id, digest) WHERE digest <> '';
