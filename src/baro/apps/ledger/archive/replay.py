"""The records as their trail says they are, compared with the rows as they stand.

What a record holds is the fold of its entries: the fields of its insert, then those of each update. A row that was
changed, added or taken away behind the triggers is not what its entries say, whoever did it. One statement a table
does the comparison inside the database; only what differs leaves it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import connections

from baro.apps.ledger.apps import guarded_tables
from baro.database.guards import Guard

LONGEST = 80


class RecordFindingKind(StrEnum):
    CHANGED = "changed"
    """A field of the row is not what the trail says."""
    INSERTED = "inserted"
    """A row that no entry of the trail created."""
    DELETED = "deleted"
    """A record that the trail says is there, but no row."""
    CHAIN = "chain"
    """An entry says that a field held something else than the entries before it."""
    UNKNOWN_TABLE = "unknown_table"
    """Entries of a table that is not audited or not there."""


@dataclass(frozen=True, slots=True)
class RecordFinding:
    """One thing that is wrong with a record. `expected`: by the trail; `found`: in the row; both shortened JSON."""

    kind: RecordFindingKind
    table: str
    record: str
    field: str = ""
    expected: str = ""
    found: str = ""
    entry: int | None = None

    def __str__(self) -> str:
        where = f"{self.table} {self.record}" + (f" {self.field}" if self.field else "")
        at = f" (entry {self.entry})" if self.entry is not None else ""
        match self.kind:
            case RecordFindingKind.CHANGED:
                return f"{where}: the trail says {self.expected}, the row says {self.found}"
            case RecordFindingKind.INSERTED:
                return f"{where}: a row that the trail does not know"
            case RecordFindingKind.DELETED:
                return f"{where}: the trail knows it, but there is no such row"
            case RecordFindingKind.CHAIN:
                return f"{where}{at}: held {self.expected} by the entries before, {self.found} by this one"
            case RecordFindingKind.UNKNOWN_TABLE:
                return f"{where}{at}: entries of a table that keeps no trail"


# What rows that are older than a column hold in it without an entry ever having said so.
_COLUMNS = """
    SELECT a.attname, CASE WHEN a.atthasmissing THEN to_jsonb(a.attmissingval) -> 0 END
    FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
"""

_DIFFERING = """
    WITH trail AS (
      SELECT e.id, e.record_id, e.new,
        max(e.id) FILTER (WHERE e.action = 'delete') OVER (PARTITION BY e.record_id) AS gone
      FROM ledger_auditentry e WHERE e.table_name = %(table)s AND {of_trail}
    ), fold AS (
      SELECT t.record_id, jsonb_object_agg(f.key, f.value ORDER BY t.id) FILTER (WHERE f.key = ANY (%(columns)s))
        AS state
      FROM trail t CROSS JOIN LATERAL jsonb_each(t.new) f
      WHERE t.new IS NOT NULL AND (t.gone IS NULL OR t.id > t.gone) GROUP BY t.record_id
    ), stands AS (
      SELECT r.id::text AS record_id, baro_redacted(to_jsonb(r)) AS state FROM "{table}" r WHERE {of_rows}
    )
    SELECT coalesce(f.record_id, s.record_id), %(missing)s::jsonb || f.state, s.state
    FROM fold f FULL JOIN stands s ON s.record_id = f.record_id
    WHERE (%(missing)s::jsonb || f.state) IS DISTINCT FROM s.state
    ORDER BY 1
"""

# Only records with more than one entry can have a broken chain.
_CHAINS = """
    WITH several AS (
      SELECT e.record_id FROM ledger_auditentry e WHERE e.table_name = %(table)s AND {of_trail}
      GROUP BY e.record_id HAVING count(*) > 1
    ), steps AS (
      SELECT e.id, e.record_id, e.action, k.key, e.old -> k.key AS old, e.new -> k.key AS new
      FROM ledger_auditentry e JOIN several USING (record_id)
      CROSS JOIN LATERAL (SELECT jsonb_object_keys(coalesce(e.new, e.old)) AS key) k
      WHERE e.table_name = %(table)s AND {of_trail}
    ), linked AS (
      SELECT s.*, lag(s.new) OVER before AS had, lag(s.action) OVER before AS came
      FROM steps s WINDOW before AS (PARTITION BY s.record_id, s.key ORDER BY s.id)
    )
    SELECT id, record_id, key, had, old FROM linked
    WHERE (came IN ('insert', 'update') AND had IS DISTINCT FROM old)
       OR (action = 'insert' AND came IN ('insert', 'update'))
    ORDER BY id, key
"""

_ELSEWHERE = """
    SELECT e.table_name, e.record_id, min(e.id) FROM ledger_auditentry e
    WHERE NOT e.table_name = ANY (%(tables)s) AND {of_trail} GROUP BY 1, 2 ORDER BY 3
"""


def check_records(
    company: UUID | None = None, tables: Iterable[str] | None = None, using: str = "owner"
) -> list[RecordFinding]:
    """Every row of the audited tables that is not what its trail says, and every break within the trail.

    company: only its records; all companies when None. `using`: a connection of the owner, whom row-level security
    does not limit. What is as it should be gives an empty list.
    """
    return list(_checked(company, tables, using))


def _checked(company: UUID | None, tables: Iterable[str] | None, using: str) -> Iterator[RecordFinding]:
    audited = {name: guard for name, guard in guarded_tables().items() if guard.audited}
    wanted = audited if tables is None else {name: audited[name] for name in tables}
    with connections[using].cursor() as cursor:
        for table, guard in wanted.items():
            yield from check_table(cursor, table, guard, company)
        if tables is None:
            values = {"tables": list(audited), "company": company}
            cursor.execute(_ELSEWHERE.format(of_trail=_of("e.company_id", company)), values)
            for name, record, entry in cursor.fetchall():
                yield RecordFinding(RecordFindingKind.UNKNOWN_TABLE, name, record, entry=entry)


def check_table(cursor: Any, table: str, guard: Guard, company: UUID | None = None) -> Iterator[RecordFinding]:
    """The findings of one table, on a cursor that sees all rows of it and of the trail."""
    cursor.execute("SELECT current_setting('timezone'), current_setting('bytea_output')")
    before = cursor.fetchone()
    cursor.execute("SET timezone = 'UTC'; SET bytea_output = 'hex'; SET extra_float_digits = 1")
    # the text of a value depends on these, and the trigger writes it under the same ones
    try:
        cursor.execute(_COLUMNS, [f'"{table}"'])
        columns = {name: _json(value) for name, value in cursor.fetchall()}
        values = {
            "table": table,
            "company": company,
            "columns": list(columns),
            "missing": json.dumps(columns),
        }
        parts = {
            "table": table,
            "of_trail": _of("e.company_id", company),
            "of_rows": _of(f'r."{guard.company}"', company),
        }
        cursor.execute(_DIFFERING.format(**parts), values)
        differing = [(record, _json(fold), _json(row)) for record, fold, row in cursor.fetchall()]
        cursor.execute(_CHAINS.format(**parts), values)
        chains = [(*row[:3], _json(row[3]), _json(row[4])) for row in cursor.fetchall()]
    finally:
        cursor.execute("SELECT set_config('timezone', %s, false), set_config('bytea_output', %s, false)", before)
    for record, fold, row in differing:
        yield from _differences(table, record, fold, row)
    for entry, record, field, had, old in chains:
        yield RecordFinding(RecordFindingKind.CHAIN, table, record, field, _short(had), _short(old), entry)


def _differences(
    table: str, record: str, fold: dict[str, Any] | None, row: dict[str, Any] | None
) -> Iterator[RecordFinding]:
    if row is None:
        yield RecordFinding(RecordFindingKind.DELETED, table, record)
    elif fold is None:
        yield RecordFinding(RecordFindingKind.INSERTED, table, record)
    else:
        missing = object()
        for field in sorted(fold.keys() | row.keys()):
            told, held = fold.get(field, missing), row.get(field, missing)
            if told != held:
                expected, found = ("nothing" if value is missing else _short(value) for value in (told, held))
                yield RecordFinding(RecordFindingKind.CHANGED, table, record, field, expected, found)


def _of(column: str, company: UUID | None) -> str:
    return "true" if company is None else f"{column} = %(company)s"


def _json(value: Any) -> Any:
    # Django leaves jsonb as text; a number keeps all its digits
    return json.loads(value, parse_float=Decimal) if isinstance(value, str) else value


def _short(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… ({len(text)} characters, SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:16]})"
