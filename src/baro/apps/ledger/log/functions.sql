-- The functions of the Merkle log. Applied after each migration, by the owner of the tables.

-- What of an entry is hashed into the log: every column by its name, in the one form that jsonb gives it.
CREATE OR REPLACE FUNCTION ledger_leaf(e ledger_auditentry) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT {leaf} $$;

-- Takes up to `most` entries into the log that are not in it, and returns the size of the log.
-- An entry is taken in when it can be seen, that is, when its transaction is over; the order of ids does not matter,
-- so one that is committed late is not passed over. What can never come any more is not looked for again: when all
-- transactions are over that could have drawn an id up to `mark`, the floor rises to it, or as far towards it as this
-- step has come: a long queue is then not read from its beginning in every step.
CREATE OR REPLACE FUNCTION ledger_sequence(most integer) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  state ledger_sequencing;
  issued bigint;
  oldest bigint;
  next bigint;
  size bigint;
  added bigint;
  reached bigint;
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    -- a snapshot of its own beginning would hide what was committed since
    RAISE EXCEPTION 'the log is extended in read committed transactions only' USING ERRCODE = 'BA005';
  END IF;
  -- one sequencer at a time; the lock ends with the transaction
  PERFORM pg_advisory_xact_lock(hashtextextended('baro.ledger.sequencer', 0));
  SELECT * INTO state FROM ledger_sequencing WHERE id = 1;
  IF NOT FOUND THEN
    INSERT INTO ledger_sequencing (id, floor, mark, mark_xid) VALUES (1, 0, 0, 0) RETURNING * INTO state;
  END IF;
  -- in this order: who draws an id up to `issued` has a transaction id below `next`
  EXECUTE 'SELECT last_value FROM ' || pg_get_serial_sequence('ledger_auditentry', 'id') INTO issued;
  SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint INTO oldest, next
    FROM pg_current_snapshot() s;
  SELECT coalesce(max(n.index) + 1, 0) INTO size FROM ledger_node n WHERE n.level = 0;
  EXECUTE 'WITH added AS (INSERT INTO ledger_node (level, index, hash, entry_id)'
          ' SELECT 0, $1 + row_number() OVER (ORDER BY e.id) - 1,'
          '   sha256(''\x00''::bytea || convert_to(ledger_leaf(e), ''UTF8'')), e.id'
          ' FROM ledger_auditentry e'
          ' WHERE e.id > $2 AND NOT EXISTS (SELECT FROM ledger_node n WHERE n.entry_id = e.id AND n.entry_id > $2)'
          ' ORDER BY e.id LIMIT $3 RETURNING entry_id) SELECT count(*), max(entry_id) FROM added'
    USING size, state.floor, most INTO added, reached;
  IF added < most THEN
    reached := issued;
  END IF;
  -- a mark beyond all transactions is that of another server, from which this database was restored
  IF state.mark_xid <= oldest OR state.mark_xid > next THEN
    IF state.floor < least(reached, state.mark) THEN
      UPDATE ledger_sequencing SET floor = least(reached, state.mark) WHERE id = 1;
    END IF;
    IF reached >= state.mark AND issued > state.mark THEN
      UPDATE ledger_sequencing SET mark = issued, mark_xid = next WHERE id = 1;
    END IF;
  END IF;
  RETURN size + added;
END $$;

-- How many entries wait to be taken in, of all companies.
CREATE OR REPLACE FUNCTION ledger_pending() RETURNS bigint LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  waiting bigint;
BEGIN
  -- planned with the floor itself: above it is little, and a plan that did not know would read the whole log
  EXECUTE 'SELECT count(*) FROM ledger_auditentry e'
          ' WHERE e.id > $1 AND NOT EXISTS (SELECT FROM ledger_node n WHERE n.entry_id = e.id AND n.entry_id > $1)'
    USING coalesce((SELECT s.floor FROM ledger_sequencing s WHERE s.id = 1), 0) INTO waiting;
  RETURN waiting;
END $$;

-- Leaves first … last - 1 as stored, and the hash of what is in the trail now (null: nothing), for a check by the
-- application, which may not read other companies' entries and does not need to.
CREATE OR REPLACE FUNCTION ledger_rehashed(first bigint, last bigint)
RETURNS TABLE (index bigint, hash bytea, entry_id bigint, at float8, leaf_hash bytea) LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = public, pg_temp
AS $$
  SELECT n.index, n.hash, n.entry_id, extract(epoch FROM e.at)::float8,
    CASE WHEN e.id IS NOT NULL THEN sha256('\x00'::bytea || convert_to(ledger_leaf(e), 'UTF8')) END
  FROM ledger_node n LEFT JOIN ledger_auditentry e ON e.id = n.entry_id
  WHERE n.level = 0 AND n.index >= first AND n.index < last ORDER BY n.index
$$;

REVOKE EXECUTE ON FUNCTION ledger_sequence(integer), ledger_pending(), ledger_rehashed(bigint, bigint)
  FROM PUBLIC, baro_app, baro_reader;
GRANT EXECUTE ON FUNCTION ledger_sequence(integer), ledger_pending(), ledger_rehashed(bigint, bigint) TO baro_app;
GRANT EXECUTE ON FUNCTION ledger_pending(), ledger_rehashed(bigint, bigint) TO baro_reader;
