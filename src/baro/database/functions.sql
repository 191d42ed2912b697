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
CREATE OR REPLACE FUNCTION baro_secrets(record jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$ SELECT record || (
  SELECT jsonb_object_agg(name, '[secret] ' || encode(sha256(convert_to(record ->> name, 'UTF8')), 'hex'))
  FROM unnest(ARRAY['password', 'secret']) name WHERE record ? name) $$;

-- A function of its own, without a query inside, so that the planner puts it in place and a row costs no call.
CREATE OR REPLACE FUNCTION baro_redacted(record jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE
AS $$ SELECT CASE WHEN record ?| ARRAY['password', 'secret'] THEN baro_secrets(record) ELSE record END $$;

-- One entry a changed row, for every write path. The entries are written with the rights of the
-- owner: the application itself has no right to write into the trail.
CREATE OR REPLACE FUNCTION baro_audit() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
-- the text of a value is the same whatever the session of the writer says, so that it can be compared later
SET timezone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
  company_of CONSTANT text := TG_ARGV[0];
  few CONSTANT int := 8;
  by_id uuid := nullif(current_setting('baro.actor_id', true), '')::uuid;
  by_name text := coalesce(current_setting('baro.actor', true), '');
  because text := coalesce(current_setting('baro.reason', true), '');
  by_kind text := coalesce(current_setting('baro.kind', true), '');
  request_of text := coalesce(current_setting('baro.request', true), '');
  version_of text := coalesce(current_setting('baro.version', true), '');
  zone_of text := coalesce(current_setting('baro.zone', true), '');
  transaction_of bigint := pg_current_xact_id()::text::bigint;
  program_of text := current_setting('application_name');
  columns text[];
  differs text[];
  in_some boolean[];
  in_all boolean[];
  old_fields text;
  new_fields text;
  same text;
BEGIN
  -- a table of somebody's own that is named like one of ours would put made-up entries into the trail
  IF TG_TABLE_SCHEMA <> 'public' THEN
    RAISE EXCEPTION '%.% is no table of the trail', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'BA004';
  END IF;
  IF because = '' OR by_name = '' THEN
    -- a person at the database's own prompt is let through, and written down as what he is
    IF current_setting('role') <> 'none' THEN
      RAISE EXCEPTION 'a change of % needs an actor and a reason', TG_TABLE_NAME USING ERRCODE = 'BA001';
    END IF;
    by_name := 'database login ' || session_user;
    by_kind := 'database';
  END IF;
  -- These three statements are fixed, so that they keep their plans: most changes are of one row. The one that joins old
  -- and new rows is for few: its plan, kept from a tiny call, would be ruinous for a large one.
  IF TG_OP = 'INSERT' THEN
    INSERT INTO ledger_auditentry (company_id, at, actor_id, actor, reason, action, table_name, record_id, old, new,
      transaction_id, kind, request, version, zone, program, login)
    SELECT (s.new ->> company_of)::uuid, clock_timestamp(), by_id, by_name, because, 'insert', TG_TABLE_NAME, s.id, NULL,
      baro_redacted(s.new), transaction_of, by_kind, request_of, version_of, zone_of, program_of, session_user
    FROM (SELECT r.id::text AS id, to_jsonb(r) AS new FROM new_rows r OFFSET 0) s;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO ledger_auditentry (company_id, at, actor_id, actor, reason, action, table_name, record_id, old, new,
      transaction_id, kind, request, version, zone, program, login)
    SELECT (s.old ->> company_of)::uuid, clock_timestamp(), by_id, by_name, because, 'delete', TG_TABLE_NAME, s.id,
      baro_redacted(s.old), NULL, transaction_of, by_kind, request_of, version_of, zone_of, program_of, session_user
    FROM (SELECT r.id::text AS id, to_jsonb(r) AS old FROM old_rows r OFFSET 0) s;
  ELSIF (SELECT count(*) FROM (SELECT FROM new_rows LIMIT few + 1) f) <= few THEN
    INSERT INTO ledger_auditentry (company_id, at, actor_id, actor, reason, action, table_name, record_id, old, new,
      transaction_id, kind, request, version, zone, program, login)
    SELECT (s.new ->> company_of)::uuid, clock_timestamp(), by_id, by_name, because, 'update', TG_TABLE_NAME, s.id,
      baro_redacted(d.old), baro_redacted(d.new),
      transaction_of, by_kind, request_of, version_of, zone_of, program_of, session_user
    FROM (SELECT r.id::text AS id, to_jsonb(o) AS old, to_jsonb(r) AS new
          FROM old_rows o JOIN new_rows r ON r.id = o.id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT jsonb_object_agg(a.key, a.value) AS old, jsonb_object_agg(a.key, s.new -> a.key) AS new
      FROM jsonb_each(s.old) a WHERE a.value IS DISTINCT FROM s.new -> a.key) d
    WHERE d.old IS NOT NULL;
  ELSE
    -- Values are compared as they are where equal values have one JSON, and by their JSON elsewhere (an interval of a month
    -- equals one of thirty days). Columns that no row changed are found first: that is nearly all of them.
    SELECT array_agg(c.name), array_agg(format(CASE WHEN c.plain THEN 'o.%1$I IS DISTINCT FROM r.%1$I'
        ELSE 'to_jsonb(o.%1$I) IS DISTINCT FROM to_jsonb(r.%1$I)' END, c.name))
      INTO columns, differs
      FROM (SELECT attname AS name, atttypid = ANY (ARRAY['uuid', 'text', 'varchar', 'bool', 'int2', 'int4', 'int8', 'date',
              'timestamptz', 'bytea', 'jsonb', 'numeric', 'float4', 'float8']::regtype[]) AS plain
            FROM pg_attribute WHERE attrelid = TG_RELID AND attnum > 0 AND NOT attisdropped) c;
    EXECUTE (SELECT format('SELECT ARRAY[%s], ARRAY[%s] FROM old_rows o JOIN new_rows r ON r.id = o.id',
               string_agg(format('bool_or(%s)', d), ', '), string_agg(format('bool_and(%s)', d), ', '))
             FROM unnest(differs) d) INTO in_some, in_all;
    SELECT string_agg(format('%1$L, o.%1$I', name), ', '), string_agg(format('%1$L, r.%1$I', name), ', '),
        coalesce(string_agg(format('CASE WHEN NOT (%s) THEN %L END', condition, name), ', ') FILTER (WHERE NOT always), '')
      INTO old_fields, new_fields, same
      FROM unnest(columns, differs, in_some, in_all) u (name, condition, once, always) WHERE once;
    IF old_fields IS NOT NULL THEN
      EXECUTE 'INSERT INTO ledger_auditentry (company_id, at, actor_id, actor, reason, action, table_name, record_id, old,'
              ' new, transaction_id, kind, request, version, zone, program, login)'
              ' SELECT s.company, clock_timestamp(), $1, $2, $3, ''update'', $4, s.id,'
                || CASE WHEN same = '' THEN ' baro_redacted(s.old), baro_redacted(s.new)'
                   ELSE ' baro_redacted(s.old - s.same), baro_redacted(s.new - s.same)' END ||
              ', $5, $6, $7, $8, $9, $10, session_user'
              ' FROM (SELECT r.id::text AS id, '
                || CASE WHEN company_of = '' THEN 'NULL' ELSE format('r.%I', company_of) END ||
              '::uuid AS company, jsonb_build_object(' || old_fields || ') AS old, jsonb_build_object(' || new_fields || ') AS new'
                || CASE WHEN same = '' THEN '' ELSE ', array_remove(ARRAY[' || same || ']::text[], NULL) AS same' END ||
              '  FROM old_rows o JOIN new_rows r ON r.id = o.id OFFSET 0) s'
                || CASE WHEN same = '' THEN '' ELSE ' WHERE s.old <> s.new' END
        USING by_id, by_name, because, TG_TABLE_NAME, transaction_of, by_kind, request_of, version_of, zone_of, program_of;
    END IF;
  END IF;
  RETURN NULL;
END $$;

-- EXECUTE is what it takes to make a trigger of a function, not to fire one that is there.
REVOKE EXECUTE ON FUNCTION baro_audit() FROM PUBLIC, baro_app, baro_reader;

-- What is fixed does not change, and the attempt is written down. A function cannot raise and write in one transaction. So a
-- connection of Baro's own programs, which says so (baro.tells), gets an error, and writes it down in a second transaction.
-- For any other the row is left as it is, with a warning, and the attempt is written here, in the transaction of whoever
-- tried: it is there unless he undoes all he did.
CREATE OR REPLACE FUNCTION baro_refuse_content_change() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp
AS $$
DECLARE
  company_of CONSTANT text := TG_ARGV[0];
  before CONSTANT jsonb := to_jsonb(OLD);
  after CONSTANT jsonb := to_jsonb(NEW);
  by_name text := coalesce(current_setting('baro.actor', true), '');
  because text := coalesce(current_setting('baro.reason', true), '');
  by_kind text := coalesce(current_setting('baro.kind', true), '');
  columns jsonb;
BEGIN
  SELECT jsonb_agg(c) INTO columns FROM unnest(TG_ARGV[1:]) c WHERE before -> c IS DISTINCT FROM after -> c;
  IF coalesce(current_setting('baro.tells', true), '') = 'refusals' THEN
    RAISE EXCEPTION 'what is fixed of % never changes', TG_TABLE_NAME USING ERRCODE = 'BA006',
      DETAIL = jsonb_build_object('company', before -> company_of, 'table', TG_TABLE_NAME, 'record', before -> 'id',
        'columns', columns, 'actor_id', current_setting('baro.actor_id', true), 'actor', by_name, 'reason', because,
        'login', session_user, 'program', current_setting('application_name'))::text;
  END IF;
  RAISE WARNING 'what is fixed of % never changes: the row % is left as it is', TG_TABLE_NAME, before ->> 'id';
  IF because = '' OR by_name = '' THEN
    PERFORM set_config('baro.actor', 'database login ' || session_user, true),
      set_config('baro.reason', 'change of what is fixed', true), set_config('baro.kind', 'database', true);
  END IF;
  INSERT INTO ledger_refusedchange (id, company_id, table_name, record_id, columns, login, program, recorded_at)
  VALUES (gen_random_uuid(), (before ->> company_of)::uuid, TG_TABLE_NAME, before ->> 'id', columns, session_user,
    current_setting('application_name'), now());
  PERFORM set_config('baro.actor', by_name, true), set_config('baro.reason', because, true),
    set_config('baro.kind', by_kind, true);
  RETURN NULL;
END $$;

REVOKE EXECUTE ON FUNCTION baro_refuse_content_change() FROM PUBLIC, baro_app, baro_reader;
