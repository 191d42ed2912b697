"""What the database itself guards on every table of ours: isolation, append-only, the audit trail.

A model says *what it is* by a `Guard`; after each migration `apply` puts policies, grants and triggers
in place from that. So protection comes by inheriting from a base model and cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files

from baro.database.context import Executes


@dataclass(frozen=True, slots=True)
class Guard:
    """How a table is protected.

    audited: every change writes an entry into the audit trail, whatever path it came by.
    append_only: the application may add rows but not change them. No role of the application may
    delete a row of any table of ours.
    company: the column that says whose row it is. Empty: the table holds nothing of any company (hashes of the log),
    and everybody sees it.
    check: a condition (SQL) that rows written by the application have to meet, beside being of its company.
    fixed: columns that never change once a row meets `fixed_when` (SQL about OLD). Nobody changes them, and each
    attempt is written down in ledger_refusedchange.
    writable: False for tables that only the database's own functions fill.
    hidden: columns that whoever may only read does not get to see.
    """

    audited: bool = True
    append_only: bool = False
    company: str = "company_id"
    writable: bool = True
    hidden: tuple[str, ...] = ()
    check: str = "true"
    fixed: tuple[str, ...] = ()
    fixed_when: str = "true"


def apply(cursor: Executes, guards: Mapping[str, Guard], plain: Iterable[str]) -> None:
    """Put `guards` (table name → guard) in force, and open `plain` tables (of libraries) to the application.

    Any other table stays closed.
    """
    cursor.execute(files("baro.database").joinpath("functions.sql").read_text(encoding="utf-8"))
    for table in plain:
        cursor.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO baro_app')
        cursor.execute(_GRANT_SEQUENCES.format(table=table))
    for table, guard in guards.items():
        for statement in statements(table, guard):
            cursor.execute(statement)


def statements(table: str, guard: Guard) -> list[str]:
    """The SQL that puts `guard` on `table`; running it twice changes nothing."""
    verbs = "SELECT"
    if guard.writable:
        verbs += ", INSERT" if guard.append_only else ", INSERT, UPDATE"
    mine = f'"{guard.company}" = baro_company()' if guard.company else "true"
    out = [
        f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY',
        f'DROP POLICY IF EXISTS company_isolation ON "{table}"',
        f'CREATE POLICY company_isolation ON "{table}" USING ({mine}) WITH CHECK ({mine} AND {guard.check})',
        f'REVOKE ALL ON "{table}" FROM PUBLIC, baro_app, baro_reader',
        f'GRANT {verbs} ON "{table}" TO baro_app',
        _grant_to_reader(table, guard.hidden),
        f'DROP TRIGGER IF EXISTS keep_history ON "{table}"',
        f'CREATE TRIGGER keep_history BEFORE TRUNCATE ON "{table}" EXECUTE FUNCTION baro_refuse_truncate()',
        f'DROP TRIGGER IF EXISTS keep_key ON "{table}"',
        f'CREATE TRIGGER keep_key BEFORE UPDATE OF id ON "{table}" EXECUTE FUNCTION baro_refuse_key_change()',
    ]
    out.append(f'DROP TRIGGER IF EXISTS keep_content ON "{table}"')
    if guard.fixed:
        out.append(_keep_content(table, guard))
    for event, tables in _EVENTS.items():
        name = f"audit_{event.lower()}"
        out.append(f'DROP TRIGGER IF EXISTS {name} ON "{table}"')
        if guard.audited:
            out.append(
                f'CREATE TRIGGER {name} AFTER {event} ON "{table}" REFERENCING {tables}'
                f" FOR EACH STATEMENT EXECUTE FUNCTION baro_audit('{guard.company}')"
            )
    return out


def _keep_content(table: str, guard: Guard) -> str:
    """The trigger that refuses to change what is fixed. It looks only when such a column is named in the statement."""
    columns = [f'"{column}"' for column in guard.fixed]
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return (
        f'CREATE TRIGGER keep_content BEFORE UPDATE OF {", ".join(columns)} ON "{table}" FOR EACH ROW'
        f" WHEN (({guard.fixed_when}) AND ROW({old}) IS DISTINCT FROM ROW({new}))"
        f" EXECUTE FUNCTION baro_refuse_content_change('{guard.company}', {', '.join(repr(c) for c in guard.fixed)})"
    )


def _grant_to_reader(table: str, hidden: tuple[str, ...]) -> str:
    """SELECT on all columns of `table` but the `hidden` ones."""
    if not hidden:
        return f'GRANT SELECT ON "{table}" TO baro_reader'
    return _GRANT_COLUMNS.format(table=table, hidden=", ".join(f"'{column}'" for column in hidden))


_GRANT_COLUMNS = """
DO $$ BEGIN
  EXECUTE (
    SELECT 'GRANT SELECT (' || string_agg(quote_ident(attname), ', ') || ') ON "{table}" TO baro_reader'
    FROM pg_attribute
    WHERE attrelid = '"{table}"'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT IN ({hidden}));
END $$
"""

# those that a column calls by its default; a column that is an identity needs no grant
_GRANT_SEQUENCES = """
DO $$ DECLARE sequence regclass; BEGIN
  FOR sequence IN SELECT s.oid FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'a'
    WHERE s.relkind = 'S' AND d.refobjid = '"{table}"'::regclass
  LOOP EXECUTE format('GRANT USAGE ON SEQUENCE %s TO baro_app', sequence); END LOOP;
END $$
"""

_EVENTS = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}
