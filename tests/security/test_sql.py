"""What each role of the database may not do to a protected table, whatever SQL it is given.

The tables are those that stand in force, so a new one is attacked as soon as it is there. "As the application" means
as somebody who has broken into the web server and speaks SQL with its rights.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from baro.apps.ledger.apps import guarded_tables
from baro.database.roles import Role, conninfo
from tests.plant import Plant
from tests.security.conftest import Victim, context_of

DENIED = psycopg.errors.InsufficientPrivilege

STRUCTURE = (
    "TRUNCATE {t}",
    "TRUNCATE {t} CASCADE",
    "DELETE FROM {t}",
    "DROP TABLE {t}",
    "DROP TABLE {t} CASCADE",
    "ALTER TABLE {t} DISABLE TRIGGER ALL",
    "ALTER TABLE {t} DISABLE TRIGGER USER",
    "ALTER TABLE {t} ENABLE REPLICA TRIGGER keep_history",
    "ALTER TABLE {t} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {t} NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE {t} ADD COLUMN more text",
    "ALTER TABLE {t} DROP COLUMN id",
    "ALTER TABLE {t} RENAME TO away",
    "ALTER TABLE {t} OWNER TO {me}",
    "ALTER TABLE {t} SET SCHEMA pg_temp",
    "ALTER TABLE {t} SET (autovacuum_enabled = off)",
    "ALTER TABLE {t} INHERIT ledger_auditentry",
    "ALTER POLICY company_isolation ON {t} USING (true)",
    "DROP POLICY company_isolation ON {t}",
    "CREATE POLICY mine ON {t} USING (true)",
    "DROP TRIGGER keep_history ON {t}",
    "DROP TRIGGER audit_insert ON {t}",
    "CREATE TRIGGER mine BEFORE INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE RULE mine AS ON INSERT TO {t} DO INSTEAD NOTHING",
    "CREATE INDEX mine ON {t} ((1))",
    "COMMENT ON TABLE {t} IS 'mine'",
    "SECURITY LABEL ON TABLE {t} IS 'mine'",
    "COPY {t} TO PROGRAM 'cat'",
    "COPY {t} FROM PROGRAM 'echo'",
    "COPY {t} TO '/tmp/stolen'",
    "COPY {t} FROM '/etc/passwd'",
    "CREATE VIEW {t}_all AS SELECT * FROM {t}",
    "CREATE TABLE {t}_copy AS SELECT * FROM {t}",
    "CREATE TEMP TABLE {t} AS SELECT 1 AS id",
    "CLUSTER {t} USING {t}_pkey",
    "REINDEX TABLE {t}",
)
SERVER = (
    "SET session_replication_role = replica",
    "SET SESSION AUTHORIZATION baro_owner",
    "SET ROLE baro_owner",
    "ALTER DATABASE baro SET session_replication_role = replica",
    "ALTER ROLE {me} SUPERUSER",
    "ALTER ROLE {me} BYPASSRLS",
    "ALTER ROLE baro_owner LOGIN",
    "CREATE ROLE more SUPERUSER",
    "GRANT baro_owner TO {me}",
    "CREATE SCHEMA mine",
    "CREATE EXTENSION plpython3u",
    "CREATE FUNCTION public.baro_company() RETURNS uuid LANGUAGE sql AS 'SELECT null::uuid'",
    "CREATE OR REPLACE FUNCTION baro_company() RETURNS uuid LANGUAGE sql AS 'SELECT null::uuid'",
    "CREATE OR REPLACE FUNCTION baro_audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION baro_audit() SECURITY INVOKER",
    "ALTER FUNCTION baro_audit() SET search_path = pg_temp",
    "DROP FUNCTION baro_audit() CASCADE",
    "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE PUBLICATION mine FOR ALL TABLES",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()",
    "SELECT pg_switch_wal()",
    "UPDATE pg_class SET relrowsecurity = false",
    "UPDATE pg_trigger SET tgenabled = 'D'",
    "DELETE FROM pg_policy",
    "SELECT passwd FROM pg_shadow",
)
OWN_WORDS = {"42501", "42704", "22023", "55000", "42809", "0A000"}
"""Refused; no such extension; no label provider; not a thing of that kind."""

GENERATED = "428C9"
"""A key that the database itself gives: nobody writes it, whatever their rights."""


@pytest.fixture(scope="module")
def logins(database: str) -> Iterator[dict[Role, str]]:
    """Logins as a plant's administrator makes them: each a member of one role and of no other."""
    names = {role: f"login_{secrets.token_hex(4)}" for role in (Role.APP, Role.READER)}
    with psycopg.connect(database, autocommit=True) as raw:
        for role, name in names.items():
            raw.execute(f"CREATE ROLE {name} LOGIN IN ROLE {role}")
    yield {role: conninfo(make_conninfo(database, user=name), role) for role, name in names.items()}
    with psycopg.connect(database, autocommit=True) as raw:
        for name in names.values():
            raw.execute(f"DROP ROLE {name}")


@contextmanager
def as_login(logins: dict[Role, str], role: Role, of: Plant) -> Iterator[psycopg.Connection]:
    with psycopg.connect(logins[role]) as raw:
        context_of(of).apply(raw)
        yield raw
        raw.rollback()


def attempt(raw: psycopg.Connection, statement: str) -> str | None:
    """The SQLSTATE of the refusal; None when it was let through."""
    try:
        with raw.transaction(force_rollback=True):
            raw.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


@pytest.mark.clause(
    "Part 11 11.10(c)", "Part 11 11.10(e)", "Annex 11 7.1", "Annex 11 9", "별표 9 4.3", "별표 9 4.5", "ASVS 16.4.2"
)
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
def test_nobody_in_the_application_switches_a_guard_off(logins: dict[Role, str], victim: Victim, role: Role) -> None:
    with as_login(logins, role, victim) as raw:
        for table in guarded_tables():
            for statement in STRUCTURE:
                text = statement.format(t=table, me=role)
                told = attempt(raw, text)
                # PostgreSQL asks for the thing before it asks for the right: what is not there is refused as well
                assert told in OWN_WORDS, (text, told)
            # a grant of what one does not own says nothing and does nothing
            before = rights(raw, table)
            for statement in (f"GRANT ALL ON {table} TO PUBLIC, {role}", f"REVOKE ALL ON {table} FROM baro_owner"):
                with suppress(DENIED), raw.transaction():
                    raw.execute(statement)
            assert rights(raw, table) == before, table


def rights(raw: psycopg.Connection, table: str) -> object:
    return raw.execute("SELECT relacl::text FROM pg_class WHERE oid = %s::regclass", [table]).fetchone()


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 9", "별표 9 4.5", "ASVS 13.2.2")
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
def test_nobody_in_the_application_rises_above_it(logins: dict[Role, str], victim: Victim, role: Role) -> None:
    with as_login(logins, role, victim) as raw:
        for statement in SERVER:
            text = statement.format(me=role)
            told = attempt(raw, text)
            assert told in {*OWN_WORDS, "42723"}, (text, told)
        raw.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
        assert attempt(raw, "CREATE TABLE own (id int)") == "42501"
        raw.rollback()
        raw.autocommit = True
        with pytest.raises(DENIED):
            raw.execute("ALTER SYSTEM SET track_activities = off")
        raw.autocommit = False
        assert raw.execute("SELECT current_user, rolsuper FROM pg_roles WHERE rolname = session_user").fetchone() == (
            str(role),
            False,
        )


@pytest.mark.clause("Part 11 11.10(e)", "Part 11 11.10(c)")
def test_a_reader_writes_nothing_anywhere(logins: dict[Role, str], victim: Victim) -> None:
    with as_login(logins, Role.READER, victim) as raw:
        for table in guarded_tables():
            for statement in (f"INSERT INTO {table} DEFAULT VALUES", f"UPDATE {table} SET id = id"):
                assert attempt(raw, statement) in {"42501", GENERATED}, statement
        assert attempt(raw, "SELECT pg_notify('baro_live', 'x')") is None  # a word, not a record


@pytest.mark.clause("Part 11 11.10(e)", "Part 11 11.10(c)", "Annex 11 7.1", "별표 9 4.5")
def test_the_application_changes_nothing_that_is_append_only(logins: dict[Role, str], victim: Victim) -> None:
    with as_login(logins, Role.APP, victim) as raw:
        for table, guard in guarded_tables().items():
            columns = raw.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [table],
            ).fetchall()
            for (column,) in columns:
                told = attempt(raw, f'UPDATE {table} SET "{column}" = "{column}"')
                if guard.append_only or not guard.writable:
                    assert told in {"42501", GENERATED}, (table, column)
                elif column == "id":
                    assert told == "BA003", table
            assert attempt(raw, f"SELECT 1 FROM {table} FOR UPDATE") in (
                {"42501"} if guard.append_only or not guard.writable else {None}
            )
            if not guard.writable:
                assert attempt(raw, f"INSERT INTO {table} DEFAULT VALUES") == "42501", table


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 12.4", "별표 9 4.5", "별표 9 4.8")
def test_no_entry_of_the_trail_is_made_up(logins: dict[Role, str], victim: Victim) -> None:
    forged = (
        "INSERT INTO ledger_auditentry (company_id, at, actor, reason, action, table_name, record_id, transaction_id,"
        " kind, request, version, zone, program, login)"
        f" VALUES ('{victim.company}', now(), 'x', 'y', 'insert', 'release_decision', 'z', 1, '', '', '', '', '', '')"
    )
    ways = (
        forged,
        f"WITH gone AS ({forged} RETURNING id) SELECT * FROM gone",
        "COPY ledger_auditentry FROM STDIN",
        "UPDATE ledger_auditentry SET reason = 'another'",
        "UPDATE ledger_auditentry SET at = at - interval '1 day'",
        "INSERT INTO ledger_auditentry SELECT * FROM ledger_auditentry ON CONFLICT (id) DO UPDATE SET reason = 'x'",
        "MERGE INTO ledger_auditentry e USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
        "SELECT setval('ledger_auditentry_id_seq', 1)",
        "SELECT nextval('ledger_auditentry_id_seq')",
        "ALTER SEQUENCE ledger_auditentry_id_seq RESTART",
        "SELECT baro_audit()",
        "DO $$ BEGIN EXECUTE 'DELETE FROM ledger_auditentry'; END $$",
        "LOCK TABLE ledger_auditentry IN ACCESS EXCLUSIVE MODE",
    )
    with as_login(logins, Role.APP, victim) as raw:
        for way in ways:
            assert attempt(raw, way) in {"42501", "0A000"}, way


@pytest.mark.clause("Annex 11 12.4", "별표 9 4.8", "Part 11 11.10(e)")
def test_whoever_changes_a_record_cannot_hide_the_time_or_the_login(logins: dict[Role, str], victim: Victim) -> None:
    """The application says who acts; the clock, the transaction and the login are the database's own words."""
    with as_login(logins, Role.APP, victim) as raw:
        for name in ("at", "login", "transaction_id", "action", "table_name", "record_id"):
            raw.execute("SELECT set_config('baro.' || %s, '1999-01-01', true)", [name])
        raw.execute("SET LOCAL timezone = 'Pacific/Kiritimati'")
        raw.execute("UPDATE plant_tag SET decimals = decimals + 1")
        entry = raw.execute(
            "SELECT abs(extract(epoch FROM clock_timestamp() - at)) < 60, login = session_user, action, table_name,"
            " transaction_id = pg_current_xact_id()::text::bigint FROM ledger_auditentry ORDER BY id DESC LIMIT 1"
        ).fetchone()
        assert entry == (True, True, "update", "plant_tag", True)
        # and the row cannot be made to look as if it had been so all along
        assert attempt(raw, "UPDATE plant_tag SET decimals = 1 WHERE false") is None
        raw.execute("SELECT set_config('baro.reason', '', true)")
        assert attempt(raw, "UPDATE plant_tag SET decimals = 9") == "BA001"


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 7.1")
def test_even_the_owner_empties_no_table_and_changes_no_key(database: str, victim: Victim) -> None:
    with psycopg.connect(conninfo(database, Role.OWNER)) as raw:
        context_of(victim).apply(raw)
        for table in guarded_tables():
            assert attempt(raw, f"TRUNCATE {table} CASCADE") == "BA002", table
            assert attempt(raw, f"UPDATE {table} SET id = id") in {"BA003", "42703", GENERATED}, table
        assert attempt(raw, "SET session_replication_role = replica") == "42501"
        raw.rollback()
