-- Runs of blocks: the digests of the blocks of a source since the last run, in the order in which they came, each run with
-- the root of the one before. Every run is an entry of the audit trail, so blocks are in the log before they are sealed.

CREATE TABLE historian_run (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  source text NOT NULL,
  number bigint NOT NULL CHECK (number > 0),
  first_block bigint NOT NULL,
  last_block bigint NOT NULL CHECK (last_block >= first_block),
  count bigint NOT NULL CHECK (count > 0),
  -- root of the run before (32 zero bytes for the first); SHA-256 over it and the digests of the blocks
  previous bytea NOT NULL CHECK (length(previous) = 32),
  root bytea NOT NULL CHECK (length(root) = 32),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT historian_run_key UNIQUE (company_id, source, number)
);
CREATE INDEX historian_run_block ON historian_run (company_id, source, last_block);

-- Keys of the blocks of one source rise in the order in which they are committed, since one writer at a time has the source.
CREATE INDEX historian_block_source ON historian_block (company_id, source, id);
