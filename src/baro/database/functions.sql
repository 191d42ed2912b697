-- The functions behind every guard. Applied after each migration, by the owner of the tables.

-- The company of the running transaction; null (so: no rows) when none is set.
CREATE OR REPLACE FUNCTION baro_company() RETURNS uuid LANGUAGE sql STABLE
AS $$ SELECT nullif(current_setting('baro.company', true), '')::uuid $$;

CREATE OR REPLACE FUNCTION baro_refuse_truncate() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'table % keeps history and is never emptied', TG_TABLE_NAME USING ERRCODE = 'BA002';
END $$;

CREATE OR REPLACE FUNCTION baro_refuse_key_change() RETURNS trigger LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'the key of a row of % never changes', TG_TABLE_NAME USING ERRCODE = 'BA003';
END $$;

-- A secret's change is a fact of the trail, its value is not: the SHA-256 stands for it, so that one that was put in behind
-- the triggers is found. A column that holds one has one of these two names; what is kept there is long and random, or a
-- salted hash of what is not.
CREATE OR REPLACE FUNCTION baro_redacted(record jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN record ?| ARRAY['password', 'secret'] THEN record || (
  SELECT jsonb_object_agg(name, '[secret] ' || encode(sha256(convert_to(record ->> name, 'UTF8')), 'hex'))
  FROM unnest(ARRAY['password', 'secret']) name WHERE record ? name)
  ELSE record END $$;

-- One entry a changed row, for every write path. The entries are written with the rights of the
-- owner: the application itself has no right to write into the trail.
-- The statements are dynamic because a static one keeps the plan of its first, often tiny, call,
-- which is ruinous for the join of old and new rows of a large update.
CREATE OR REPLACE FUNCTION baro_audit() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
-- the text of a value is the same whatever the session of the writer says, so that it can be compared later
SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
DECLARE
  company_column text := TG_ARGV[0];
  actor_id uuid := nullif(current_setting('baro.actor_id', true), '')::uuid;
  actor text := coalesce(current_setting('baro.actor', true), '');
  reason text := coalesce(current_setting('baro.reason', true), '');
  kind text := coalesce(current_setting('baro.kind', true), '');
  company text;
  secret boolean;
  same text;
  columns bigint;
  source text;
BEGIN
  -- a table of somebody's own that is named like one of ours would put made-up entries into the trail
  IF TG_TABLE_SCHEMA <> 'public' THEN
    RAISE EXCEPTION '%.% is no table of the trail', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'BA004';
  END IF;
  IF reason = '' OR actor = '' THEN
    -- a person at the database's own prompt is let through, and written down as what he is
    IF current_setting('role') <> 'none' THEN
      RAISE EXCEPTION 'a change of % needs an actor and a reason', TG_TABLE_NAME USING ERRCODE = 'BA001';
    END IF;
    actor := 'database login ' || session_user;
    kind := 'database';
  END IF;
  -- what depends on the table only is found out once a statement, not once a row
  company := CASE WHEN company_column = '' THEN 'NULL::uuid' ELSE format('r.%I::uuid', company_column) END;
  secret := EXISTS (SELECT FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped
    AND attname IN ('password', 'secret'));
  IF TG_OP = 'INSERT' THEN
    source := 'SELECT r.id::text AS id, NULL::jsonb AS old, to_jsonb(r) AS new, ' || company || ' AS company'
              ' FROM new_rows r';
  ELSIF TG_OP = 'DELETE' THEN
    source := 'SELECT r.id::text AS id, to_jsonb(r) AS old, NULL::jsonb AS new, ' || company || ' AS company'
              ' FROM old_rows r';
  ELSE
    -- only the fields that differ; a password that differs shows that it did. Values are compared as they are where
    -- equal values have one text, and by their JSON elsewhere (an interval of a month equals one of thirty days)
    SELECT string_agg(format(CASE WHEN a.atttypid = ANY (ARRAY['uuid', 'text', 'varchar', 'bool', 'int2', 'int4',
        'int8', 'date', 'timestamptz', 'bytea', 'jsonb']::regtype[])
      THEN 'CASE WHEN o.%1$I IS NOT DISTINCT FROM r.%1$I THEN %2$L END'
      ELSE 'CASE WHEN to_jsonb(o.%1$I) IS NOT DISTINCT FROM to_jsonb(r.%1$I) THEN %2$L END' END,
      a.attname, a.attname), ', '), count(*)
      INTO same, columns FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped;
    source := 'SELECT d.id, d.old - d.same AS old, d.new - d.same AS new, d.company FROM ('
              ' SELECT r.id::text AS id, to_jsonb(o) AS old, to_jsonb(r) AS new, ' || company || ' AS company,'
              '  array_remove(ARRAY[' || same || ']::text[], NULL) AS same'
              ' FROM old_rows o JOIN new_rows r ON r.id = o.id) d'
              ' WHERE cardinality(d.same) < ' || columns;
  END IF;
  EXECUTE 'INSERT INTO ledger_auditentry'
          ' (company_id, at, actor_id, actor, reason, action, table_name, record_id, old, new,'
          '  transaction_id, kind, request, version, zone, program, login)'
          ' SELECT s.company, clock_timestamp(), $1, $2, $3, $4, $5, s.id, '
          || CASE WHEN secret THEN 'baro_redacted(s.old), baro_redacted(s.new)' ELSE 's.old, s.new' END ||
          ', $11, $6, $7, $8, $9, $10, session_user'
          ' FROM (' || source || ') s'
    USING actor_id, actor, reason, lower(TG_OP), TG_TABLE_NAME, kind,
      coalesce(current_setting('baro.request', true), ''), coalesce(current_setting('baro.version', true), ''),
      coalesce(current_setting('baro.zone', true), ''), current_setting('application_name'),
      pg_current_xact_id()::text::bigint;
  RETURN NULL;
END $$;

-- EXECUTE is what it takes to make a trigger of a function, not to fire one that is there.
REVOKE EXECUTE ON FUNCTION baro_audit() FROM PUBLIC, baro_app, baro_reader;
