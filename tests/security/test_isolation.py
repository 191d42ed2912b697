"""A company sees and changes nothing of another: asked of the database itself, so that no new table is forgotten.

Tables, views and functions are those of PostgreSQL's catalogue, not those of the models. A table without a row of
the first company gets a made-up one, in a transaction that is undone, so that "nothing was seen" says something.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from baro.apps.ledger.apps import guarded_tables, library_tables
from baro.database.guards import Guard
from baro.database.roles import Role, conninfo
from tests.plant import Plant
from tests.security.conftest import UUID, Victim, context_of

SHARED = {
    "django_migrations": "which migrations ran; closed to the application",
}
"""Tables of nobody's model, and why none of them tells of a company."""

OF_NO_COMPANY = {
    "ledger_node": "hashes of the one log over all companies",
    "ledger_checkpoint": "its signed sizes and roots",
    "ledger_cosignature": "what witnesses signed of them",
    "ledger_sequencing": "how far the sequencer is",
}
"""Tables of ours that everybody may see, and what stands in them."""

MADE_UP = {
    "uuid": "gen_random_uuid()",
    "jsonb": "'{}'::jsonb",
    "bytea": "'\\x00'::bytea",
    "boolean": "false",
    "date": "current_date",
    "timestamp with time zone": "now()",
    "interval": "interval '1 second'",
    "inet": "'127.0.0.1'::inet",
    "ARRAY": "'{}'",
}


def of_companies() -> dict[str, Guard]:
    return {table: guard for table, guard in guarded_tables().items() if guard.company}


def company_column(table: str) -> str:
    guard = guarded_tables().get(table)
    return guard.company if guard else "company_id"


def relations(raw: psycopg.Connection) -> list[tuple[str, str]]:
    """Every relation that rows can be asked from, of every schema that is not PostgreSQL's own."""
    rows = raw.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
        " ORDER BY 1, 2"
    )
    return [(schema, name) for schema, name in rows]


def test_everything_in_the_database_is_of_a_company_or_is_known_not_to_be(database: str) -> None:
    with psycopg.connect(database) as raw:
        found = relations(raw)
        views = {
            name: options or []
            for name, options in raw.execute(
                "SELECT relname, reloptions FROM pg_class"
                " WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
            )
        }
    assert {schema for schema, _ in found} == {"public"}
    known = set(guarded_tables()) | set(library_tables()) | set(SHARED)
    assert {name for _, name in found} - set(views) == known
    for name, options in views.items():
        # a view asks with the rights of its owner, who sees all companies, unless it says so
        assert "security_invoker=true" in options, name


@contextmanager
def full(database: str, victim: Victim, role: Role, of: Plant | None) -> Iterator[psycopg.Connection]:
    """A transaction in which every table has a row of `victim`, asked as `role` in the context of `of`."""
    with psycopg.connect(database) as raw:
        raw.execute("SET LOCAL session_replication_role = replica")
        for table in of_companies():
            column = company_column(table)
            query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s LIMIT 1")
            if not raw.execute(query.format(*map(sql.Identifier, (table, column))), [victim.company]).fetchone():
                make_up(raw, table, column, victim)
        raw.execute("SET LOCAL session_replication_role = origin")
        if of is not None:
            context_of(of).apply(raw)
        raw.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
        yield raw
        raw.rollback()


def make_up(raw: psycopg.Connection, table: str, company: str, victim: Victim) -> None:
    columns = raw.execute(
        "SELECT column_name, data_type, is_generated = 'ALWAYS' OR is_identity = 'YES' FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = %s",
        [table],
    ).fetchall()
    values = {}
    for name, kind, given in columns:
        if name == company:
            values[name] = sql.Literal(victim.company)
        elif not given:
            values[name] = sql.SQL(MADE_UP.get(kind, "'1'"))
    insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
    )
    while True:
        try:
            with raw.transaction():
                raw.execute(insert)
            return
        except psycopg.errors.CheckViolation as refused:
            # a made-up row makes no sense; what is asked is only who sees it. All of this is undone
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            raw.execute(drop.format(sql.Identifier(table), sql.Identifier(refused.diag.constraint_name or "")))


def count(raw: psycopg.Connection, relation: str) -> int | None:
    """How many rows the role sees; None where it may not even ask."""
    try:
        with raw.transaction():
            row = raw.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(relation))).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return row[0] if row else None


@pytest.mark.clause(
    "Part 11 11.10(d)",
    "Annex 11 12.1",
    "별표 9 4.8",
    "ASVS 8.2.2",
    "ASVS 8.4.1",
)
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
def test_no_table_shows_a_row_of_another_company(database: str, victim: Victim, stranger: Plant, role: Role) -> None:
    with full(database, victim, role, stranger) as raw:
        for _, name in relations(raw):
            if name in set(library_tables()) | set(SHARED) | set(OF_NO_COMPANY):
                continue
            column = company_column(name)
            query = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s").format(*map(sql.Identifier, (name, column)))
            assert raw.execute(query, [victim.company]).fetchone() == (0,), name
            query = sql.SQL("SELECT count(*) FROM {} WHERE {} IS DISTINCT FROM %s")
            row = raw.execute(query.format(*map(sql.Identifier, (name, column))), [stranger.company]).fetchone()
            assert row == (0,), name


@pytest.mark.clause("Part 11 11.10(d)", "ASVS 8.4.1")
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
def test_without_a_company_there_is_nothing_at_all(database: str, victim: Victim, role: Role) -> None:
    with full(database, victim, role, None) as raw:
        for _, name in relations(raw):
            if name in OF_NO_COMPANY:
                continue
            if role is Role.READER or name not in set(library_tables()) | set(SHARED):
                assert not count(raw, name), name


def test_the_made_up_rows_are_there_for_those_who_may_see_them(database: str, victim: Victim) -> None:
    """Otherwise the tests above would hold of an empty database too."""
    with full(database, victim, Role.APP, victim) as raw:
        for table in of_companies():
            assert count(raw, table), table


@pytest.mark.clause("Part 11 11.10(d)", "ASVS 8.4.1")
def test_what_everybody_may_see_names_nobody(database: str, victim: Victim) -> None:
    assert {table for table, guard in guarded_tables().items() if not guard.company} == set(OF_NO_COMPANY)
    with psycopg.connect(conninfo(database, Role.READER)) as raw:
        for table in OF_NO_COMPANY:
            rows = raw.execute(sql.SQL("SELECT to_jsonb(t)::text FROM {} t").format(sql.Identifier(table))).fetchall()
            for (text,) in rows:
                assert victim.code not in text, table
                assert not {*UUID.findall(text)} & {*victim.ids, str(victim.company)}, table


@pytest.mark.clause("Part 11 11.10(d)", "ASVS 8.2.2", "ASVS 8.4.1")
def test_no_table_takes_a_row_for_another_company(database: str, victim: Victim, stranger: Plant) -> None:
    denied = psycopg.errors.InsufficientPrivilege
    with full(database, victim, Role.APP, stranger) as raw:
        for table, guard in of_companies().items():
            company, name = sql.Identifier(guard.company), sql.Identifier(table)
            theirs = sql.Literal(victim.company)
            columns = plain_columns(raw, table)
            raw.execute("RESET ROLE")
            row = raw.execute(
                sql.SQL("SELECT to_jsonb(t)::text FROM {} t WHERE {} = {} LIMIT 1").format(name, company, theirs)
            ).fetchone()
            assert row is not None, table
            raw.execute("SET LOCAL ROLE baro_app")
            some = sql.SQL(", ").join(map(sql.Identifier, columns))
            insert = sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM jsonb_populate_record(NULL::{0}, {2}::jsonb)")
            with pytest.raises(denied), raw.transaction():
                raw.execute(insert.format(name, some, sql.Literal(row[0])))
            if guard.writable and not guard.append_only:
                other = sql.Identifier(next(column for column in columns if column not in {"id", guard.company}))
                same = sql.SQL("UPDATE {} SET {} = {} WHERE {} = {}")
                assert raw.execute(same.format(name, other, other, company, theirs)).rowcount == 0, table
                move = sql.SQL("UPDATE {} SET {} = {}").format(name, company, theirs)
                gives_away(raw, table, move)
            with pytest.raises(denied), raw.transaction():
                raw.execute(sql.SQL("DELETE FROM {}").format(name))


def gives_away(raw: psycopg.Connection, table: str, move: sql.Composed) -> None:
    """`move` gives the stranger's own rows to the other company: refused as soon as there is one."""
    own = count(raw, table)
    if own:
        # the key of a company is refused by a trigger that stands before the policy
        with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.DatabaseError)) as told, raw.transaction():
            raw.execute(move)
        assert told.value.sqlstate in {"42501", "BA003"}, (table, told.value)


def plain_columns(raw: psycopg.Connection, table: str) -> list[str]:
    """The columns that a statement may give a value."""
    rows = raw.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' AND attidentity = ''",
        [table],
    )
    return [name for (name,) in rows]


# --- functions that act with the rights of the owner

Probe = Callable[[psycopg.Connection, Victim, Plant], None]


def refuses(statement: str, *arguments: Any, match: str = "") -> Probe:
    """The application may not call it."""

    def probe(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
        with pytest.raises(psycopg.DatabaseError, match=match or "permission denied"), raw.transaction():
            raw.execute(statement, arguments)

    return probe


def _find_login(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    # before a company is known: id and company of one exact name, and nothing else
    cursor = raw.execute("SELECT * FROM people_find_login(%s)", [f"{victim.code}-quality1"])
    assert [column.name for column in cursor.description or ()] == ["id", "company_id"]
    for pattern in (f"{victim.code}-%", "%", "", f"{victim.code}-QUALITY1"):
        assert raw.execute("SELECT * FROM people_find_login(%s)", [pattern]).fetchall() == []


def _company_id(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    assert raw.execute("SELECT people_company_id(%s)", [victim.code]).fetchone() == (victim.company,)
    assert raw.execute("SELECT people_company_id('%')").fetchone() == (None,)


def _companies(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    # the worker takes the companies in turn; keys only
    rows = raw.execute("SELECT * FROM people_companies()").fetchall()
    assert all(len(row) == 1 and isinstance(row[0], uuid.UUID) for row in rows)


def _missing(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    query = "SELECT historian_missing(%s, 'nir-1', 0, 1, 5)::text"
    # asked for another company, it is as if that had stored nothing
    assert raw.execute(query, [victim.company]).fetchone() != ("{}",)


def _find_token(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    # whoever has the digest of a token has the token
    cursor = raw.execute("SELECT * FROM people_find_token(%s)", ["0" * 64])
    assert [column.name for column in cursor.description or ()] == ["id", "company_id"]
    for pattern in ("%", ""):
        assert raw.execute("SELECT * FROM people_find_token(%s)", [pattern]).fetchall() == []


def _size_of_the_log(function: str) -> Probe:
    """One number, that of the log over all companies."""

    def probe(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
        with raw.transaction(force_rollback=True):
            row = raw.execute(sql.SQL("SELECT {}").format(sql.SQL(function))).fetchone()
        assert row is not None
        assert isinstance(row[0], int)

    return probe


def _rehashed(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    # hashes and numbers of the one log, and no word of an entry
    with raw.transaction(force_rollback=True):
        raw.execute("SELECT ledger_sequence(1000)")
        rows = raw.execute("SELECT * FROM ledger_rehashed(0, 1000)").fetchall()
    assert rows
    for row in rows:
        assert victim.code not in str(row)
        assert all(value is None or isinstance(value, int | float | bytes) for value in row), row


def _find_passkey(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    cursor = raw.execute("SELECT * FROM people_find_passkey(%s)", ["no-such-key"])
    assert {column.name for column in cursor.description or ()} <= {"id", "user_id", "company_id"}
    for pattern in ("%", ""):
        assert raw.execute("SELECT * FROM people_find_passkey(%s)", [pattern]).fetchall() == []


def _failures_from(raw: psycopg.Connection, victim: Victim, stranger: Plant) -> None:
    # one number of an address over all companies: whoever tries everywhere is slowed everywhere
    row = raw.execute("SELECT people_failures_from('203.0.113.9', now() - interval '1 hour')").fetchone()
    assert row == (0,)


EXPECTED: dict[str, Probe] = {
    "people_failures_from": _failures_from,
    "people_find_passkey": _find_passkey,
    "ledger_rehashed": _rehashed,
    "ledger_pending": _size_of_the_log("ledger_pending()"),
    "ledger_sequence": _size_of_the_log("ledger_sequence(10)"),
    "people_find_token": _find_token,
    "baro_audit": refuses("SELECT baro_audit()", match="permission denied|trigger functions"),
    "baro_refuse_content_change": refuses(
        "SELECT baro_refuse_content_change()", match="permission denied|trigger functions"
    ),
    "people_find_login": _find_login,
    "people_company_id": _company_id,
    "people_companies": _companies,
    "historian_missing": _missing,
    "historian_adopt": refuses("SELECT historian_adopt(%s, '{}')", 1, match="no such segment"),
}
"""Every function with the rights of its owner, and what a stranger gets out of it."""


def definer_functions(raw: psycopg.Connection) -> dict[str, tuple[str, list[str], bool]]:
    """Name → owner, settings, may everybody call it."""
    rows = raw.execute(
        "SELECT p.proname, pg_get_userbyid(p.proowner), p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE')"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
    )
    return {name: (owner, settings or [], public) for name, owner, settings, public in rows}


@pytest.mark.clause("Part 11 11.10(d)", "ASVS 13.2.2")
def test_functions_with_the_rights_of_the_owner_tell_a_stranger_nothing(
    database: str, victim: Victim, stranger: Plant
) -> None:
    with psycopg.connect(conninfo(database, Role.APP)) as raw:
        found = definer_functions(raw)
        assert set(found) == set(EXPECTED), "say of every such function what a stranger gets out of it"
        for name, (owner, settings, public) in found.items():
            assert owner == Role.OWNER, name
            assert not public, name
            # without it, a schema of the caller's own could put its tables in the place of ours
            assert any(setting.startswith("search_path=public, pg_temp") for setting in settings), name
            with raw.transaction():
                context_of(stranger).apply(raw)
                EXPECTED[name](raw, victim, stranger)
