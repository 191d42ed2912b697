-- Sealing by time: a file belongs to a lot or to a day (UTC); a later version of a day replaces earlier files, which
-- stay until they are removed; and a block knows the file that holds it now, since a day has too many to list.

ALTER TABLE historian_segment
  ADD day date,
  ADD reason text NOT NULL DEFAULT 'lot' CHECK (reason IN ('lot', 'part', 'day', 'late')),
  ADD index_digest bytea CHECK (length(index_digest) = 32),
  ADD time_min timestamptz,
  ADD time_max timestamptz,
  ADD CHECK ((day IS NULL) = (reason = 'lot'));

ALTER TABLE historian_block ADD segment_id bigint;

SELECT set_config('baro.actor', 'baro migrate', true),
  set_config('baro.reason', 'files know the times of what they hold', true);
UPDATE historian_block b SET segment_id = s.id
  FROM (SELECT id, company_id, unnest(blocks) AS block FROM historian_segment) s
  WHERE b.id = s.block AND b.company_id = s.company_id;
UPDATE historian_segment s SET time_min = t.low, time_max = t.high
  FROM (SELECT segment_id, min(time_min) AS low, max(time_max) AS high FROM historian_block GROUP BY segment_id) t
  WHERE t.segment_id = s.id;
ALTER TABLE historian_segment ALTER time_min SET NOT NULL, ALTER time_max SET NOT NULL;

-- times are asked of files and of what is in none of them
DROP INDEX historian_block_time;
CREATE INDEX historian_block_unsealed ON historian_block (company_id, kind, time_max) WHERE segment_id IS NULL;
CREATE INDEX historian_block_segment ON historian_block (segment_id) WHERE segment_id IS NOT NULL;
CREATE INDEX historian_segment_time ON historian_segment (company_id, kind, time_max);

-- A file that another one stands for now.
CREATE TABLE historian_replaced (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  segment_id bigint NOT NULL UNIQUE REFERENCES historian_segment,
  by_segment_id bigint NOT NULL REFERENCES historian_segment,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (segment_id < by_segment_id)
);
CREATE INDEX historian_replaced_by ON historian_replaced (by_segment_id);

-- A replaced file that was taken out of the lake.
CREATE TABLE historian_removed (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  company_id uuid NOT NULL,
  segment_id bigint NOT NULL UNIQUE REFERENCES historian_segment,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Says of the blocks that a sealed file holds them now. The application may not change a block's row, so the owner does
-- it, after it has compared the blocks with the catalogue. Returns how many there are.
CREATE FUNCTION historian_adopt(of_segment bigint, ids bigint[])
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  segment historian_segment;
  held bigint;
  root bytea;
  total bigint;
BEGIN
  SELECT * INTO segment FROM historian_segment s
    WHERE s.id = of_segment AND s.company_id = nullif(current_setting('baro.company', true), '')::uuid;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such segment' USING ERRCODE = 'BH001';
  END IF;
  SELECT count(*), sum(b.count), sha256(string_agg(b.digest, ''::bytea ORDER BY b.epoch, b.first_seq))
    INTO held, total, root FROM historian_block b
    WHERE b.id = ANY (ids) AND b.company_id = segment.company_id AND b.lot = segment.lot
      AND b.source = segment.source AND b.kind = segment.kind
      AND (b.segment_id IS NULL OR EXISTS (
        SELECT FROM historian_replaced r WHERE r.segment_id = b.segment_id AND r.by_segment_id = segment.id));
  IF held <> cardinality(ids) OR total IS DISTINCT FROM segment.count OR root IS DISTINCT FROM segment.root_digest THEN
    RAISE EXCEPTION 'the blocks are not those the segment was made of' USING ERRCODE = 'BH003';
  END IF;
  UPDATE historian_block b SET segment_id = segment.id WHERE b.id = ANY (ids);
  RETURN held;
END $$;
REVOKE EXECUTE ON FUNCTION historian_adopt(bigint, bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION historian_adopt(bigint, bigint[]) TO baro_app;

-- As before for the files of lots, which list their blocks; those of a day are the blocks that say so.
CREATE OR REPLACE FUNCTION historian_drop_sealed(segment_id bigint, verified_digest bytea)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp
AS $$
DECLARE
  segment historian_segment;
  ids bigint[];
  held bigint;
  root bytea;
  dropped integer;
BEGIN
  SELECT * INTO segment FROM historian_segment s
    WHERE s.id = historian_drop_sealed.segment_id
      AND s.company_id = nullif(current_setting('baro.company', true), '')::uuid;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no such segment' USING ERRCODE = 'BH001';
  END IF;
  IF segment.file_digest IS DISTINCT FROM verified_digest THEN
    RAISE EXCEPTION 'the sealed file is not the one in the catalogue' USING ERRCODE = 'BH002';
  END IF;
  ids := segment.blocks;
  IF segment.day IS NOT NULL THEN
    SELECT coalesce(array_agg(b.id), '{}') INTO ids FROM historian_block b
      WHERE b.segment_id = segment.id AND b.company_id = segment.company_id;
  END IF;
  SELECT count(*), sha256(string_agg(b.digest, ''::bytea ORDER BY b.epoch, b.first_seq)) INTO held, root
    FROM historian_block b
    WHERE b.id = ANY (ids) AND b.company_id = segment.company_id AND b.lot = segment.lot
      AND b.source = segment.source AND b.kind = segment.kind;
  IF held <> cardinality(ids) OR root IS DISTINCT FROM segment.root_digest THEN
    RAISE EXCEPTION 'the blocks are not those the segment was made of' USING ERRCODE = 'BH003';
  END IF;
  UPDATE historian_block b SET body = NULL, digests = NULL
    WHERE b.id = ANY (ids) AND b.company_id = segment.company_id AND b.body IS NOT NULL;
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;
