-- The historian's tables. Every one is append-only and belongs to one company; policies and grants
-- come from the guards of the models.

CREATE TABLE historian_axis (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  digest text NOT NULL,
  unit text NOT NULL,
  "values" float8[] NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (company_id, digest)
);

-- What (company, source, epoch) a run of sequence numbers belongs to, as a range of one number, since
-- GiST of the core knows ranges but neither uuid nor text.
CREATE FUNCTION historian_slot(company uuid, source text, epoch bigint) RETURNS int8range
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT int8range(h.value, h.value, '[]')
  FROM (SELECT hashtextextended(company::text || source || '/' || epoch::text, 0) >> 1 AS value) h
$$;

CREATE TABLE historian_block (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  source text NOT NULL CHECK (octet_length(source) BETWEEN 1 AND 512),
  kind text NOT NULL CHECK (kind IN ('spectra', 'samples')),
  epoch bigint NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  seqs int8multirange NOT NULL,
  count integer NOT NULL CHECK (count > 0 AND count <= last_seq - first_seq + 1),
  lot text NOT NULL CHECK (octet_length(lot) <= 512),
  axis text NOT NULL CHECK ((axis = '') = (kind = 'samples')),
  time_min timestamptz NOT NULL CHECK (time_min >= '0001-01-01Z'),
  time_max timestamptz NOT NULL CHECK (time_max < '9999-12-31Z' AND time_min <= time_max),
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  digest bytea NOT NULL CHECK (length(digest) = 32),
  body_digest bytea NOT NULL CHECK (length(body_digest) = 32),
  -- both are null once the block is sealed and its hot copy was dropped; the row itself stays, so a
  -- replay still falls away and the sequence stays accounted for
  digests bytea,
  body bytea,
  CHECK (lower(seqs) = first_seq AND upper(seqs) = last_seq + 1),
  CHECK ((body IS NULL) = (digests IS NULL)),
  CONSTRAINT historian_block_key UNIQUE (company_id, source, epoch, first_seq),
  -- one observation is stored once, whoever writes at the same time
  CONSTRAINT historian_block_overlap EXCLUDE USING gist (
    historian_slot(company_id, source, epoch) WITH =, seqs WITH &&
  )
);
-- spectra and digests hardly shrink, samples are compressed already
ALTER TABLE historian_block ALTER body SET STORAGE EXTERNAL, ALTER digests SET STORAGE EXTERNAL;
CREATE INDEX historian_block_lot ON historian_block (company_id, lot, kind, source, epoch, first_seq);
CREATE INDEX historian_block_last ON historian_block (company_id, source, epoch, last_seq);
CREATE INDEX historian_block_time ON historian_block (company_id, kind, time_max);

-- An open gap and its closing are two rows of the same (source, epoch, first_seq); the later one counts.
CREATE TABLE historian_gap (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  source text NOT NULL,
  epoch bigint NOT NULL,
  first_seq bigint NOT NULL,
  last_seq bigint CHECK (last_seq >= first_seq - 1),
  lot text NOT NULL CHECK (octet_length(lot) <= 512),
  started_at timestamptz NOT NULL,
  ended_at timestamptz,
  reason text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT historian_gap_state UNIQUE NULLS NOT DISTINCT
    (company_id, source, epoch, first_seq, started_at, last_seq, ended_at, lot, reason)
);
CREATE INDEX historian_gap_lot ON historian_gap (company_id, lot);

CREATE TABLE historian_event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  source text NOT NULL,
  kind text NOT NULL,
  at timestamptz NOT NULL,
  detail text NOT NULL,
  payload bytea NOT NULL,
  digest bytea NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT historian_event_key UNIQUE (company_id, digest)
);
CREATE INDEX historian_event_time ON historian_event (company_id, at);

-- The catalogue of sealed files. `path` is relative to the lake; `blocks` are the ids of the blocks in the
-- file, and `root_digest` is the SHA-256 over their digests in the order of (epoch, first_seq).
CREATE TABLE historian_segment (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  path text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('spectra', 'samples')),
  source text NOT NULL,
  lot text NOT NULL,
  axis text NOT NULL,
  first_epoch bigint NOT NULL,
  first_seq bigint NOT NULL,
  last_epoch bigint NOT NULL,
  last_seq bigint NOT NULL,
  count bigint NOT NULL CHECK (count > 0),
  file_digest bytea NOT NULL CHECK (length(file_digest) = 32),
  root_digest bytea NOT NULL CHECK (length(root_digest) = 32),
  blocks bigint[] NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT historian_segment_path UNIQUE (company_id, path)
);
CREATE INDEX historian_segment_lot ON historian_segment (company_id, lot, source);

-- The sequence numbers of [first, last] (no last: no end) that no block holds. It runs as the owner because
-- row-level security would keep the range index from being used, so it asks for the company itself.
CREATE FUNCTION historian_missing(company uuid, of_source text, of_epoch bigint, first bigint, last bigint)
RETURNS int8multirange LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT int8multirange(int8range(first, last, '[]')) - coalesce(range_agg(b.seqs), '{}')
  FROM historian_block b
  WHERE historian_slot(b.company_id, b.source, b.epoch) = historian_slot(company, of_source, of_epoch)
    AND b.seqs && int8range(first, last, '[]')
    AND b.company_id = company AND company = nullif(current_setting('baro.company', true), '')::uuid
    AND b.source = of_source AND b.epoch = of_epoch
$$;

-- Each gap as it stands now, and what is still missing of it after late observations came.
CREATE VIEW historian_gap_now WITH (security_invoker = true) AS
  SELECT g.*,
    CASE WHEN g.last_seq < g.first_seq THEN '{}'::int8multirange
         ELSE historian_missing(g.company_id, g.source, g.epoch, g.first_seq, g.last_seq) END AS missing
  FROM (
    SELECT DISTINCT ON (company_id, source, epoch, first_seq) *
    FROM historian_gap ORDER BY company_id, source, epoch, first_seq, id DESC
  ) g;
GRANT SELECT ON historian_gap_now TO baro_app, baro_reader;

-- Drops the hot copies of the blocks of one sealed file. The caller has just read the file again and shows
-- its digest. Returns how many hot copies were dropped. Only the owner may: the application writes the catalogue,
-- so a row of it alone must not be enough to take observations away.
CREATE FUNCTION historian_drop_sealed(segment_id bigint, verified_digest bytea)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
  segment historian_segment;
  held bigint;
  root bytea;
  dropped integer;
BEGIN
  SELECT * INTO segment FROM historian_segment s
    WHERE s.id = segment_id AND s.company_id = nullif(current_setting('baro.company', true), '')::uuid;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such segment' USING ERRCODE = 'BH001';
  END IF;
  IF segment.file_digest IS DISTINCT FROM verified_digest THEN
    RAISE EXCEPTION 'the sealed file is not the one in the catalogue' USING ERRCODE = 'BH002';
  END IF;
  SELECT count(*), sha256(string_agg(b.digest, ''::bytea ORDER BY b.epoch, b.first_seq)) INTO held, root
    FROM historian_block b
    WHERE b.id = ANY (segment.blocks) AND b.company_id = segment.company_id AND b.lot = segment.lot
      AND b.source = segment.source AND b.kind = segment.kind;
  IF held <> cardinality(segment.blocks) OR root IS DISTINCT FROM segment.root_digest THEN
    RAISE EXCEPTION 'the blocks are not those the segment was made of' USING ERRCODE = 'BH003';
  END IF;
  UPDATE historian_block b SET body = NULL, digests = NULL
    WHERE b.id = ANY (segment.blocks) AND b.company_id = segment.company_id AND b.body IS NOT NULL;
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;

REVOKE EXECUTE ON FUNCTION historian_missing(uuid, text, bigint, bigint, bigint) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION historian_drop_sealed(bigint, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION historian_missing(uuid, text, bigint, bigint, bigint) TO baro_app, baro_reader;
