"""Taking in the package of another installation: verified wholly, kept as it came, and inserted or not at all.

The package is copied first, and from then on only the copy counts: what was verified is what is taken in. Its trail and
proofs belong to the log they come from; they are never written into ours, and stay readable in the copy.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, models

from baro.apps.ledger.archive.errors import (
    ImportFailed,
    PackageNotFitting,
    PackageNotPinned,
    PackageWrong,
    RecordDiffers,
    RecordsThere,
)
from baro.apps.ledger.models import AuditEntry, ImportedPackage
from baro.apps.ledger.standalone import verify

TAKEN = ("23505", "23P01")
"""What PostgreSQL says when something that may be there once is there already: unique, and exclusion of overlaps."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A package that holds, as a copy of our own.

    draft: where the copy lies now; path: where in the lake it is to be kept; sha256: of it.
    origin, key, note, size: the log that proves it. subject, subject_id, name, contents: of its export.
    """

    source: verify.Source
    draft: Path
    path: str
    sha256: str
    export_id: UUID
    origin: str
    key: str
    note: str
    size: int
    subject: str
    subject_id: UUID
    name: str
    contents: dict[str, Any]

    @property
    def tables(self) -> list[str]:
        return list(self.contents["tables"])

    def lines(self, table: str) -> list[bytes]:
        """The rows of a table as the package writes them, in the order of their keys."""
        name = f"records/{table}.jsonl"
        content = self.source.read(name) if name in self.source.sizes else b""
        return content[:-1].split(b"\n") if content else []

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The same, read; numbers exactly."""
        return [verify.as_json(line, table, exact=True) for line in self.lines(table)]

    def actors(self) -> dict[str, str]:
        """Names of people by the numbers of their accounts, as the entries of the trail have them."""
        leaves = (json.loads(json.loads(line)["leaf"]) for line in self.source.read("log.jsonl").splitlines())
        return {leaf["actor_id"]: leaf["actor"] for leaf in leaves if leaf["actor_id"]}


@contextmanager
def verified(place: Path, keys: list[str], origin: str, lake: Path, company: UUID) -> Iterator[Verified]:
    """A package, copied into the lake and verified there; unless `keep` gave the copy a name, nothing is left of it.

    keys: public keys of its log, from elsewhere. origin: the name that the log must have; empty: that of the key.
    One import of a company at a time. Raises PackageNotPinned, PackageWrong, PackageNotFitting for another form,
    ImportFailed.
    """
    if not keys:
        raise PackageNotPinned
    folder = lake / str(company) / "packages"
    try:
        with _alone(folder) as draft:
            _copy(place, draft)
            with draft.open("rb") as file:
                yield _verified(file, draft, keys, origin, company)
    except verify.Wrong as error:
        raise PackageWrong(problem=str(error)) from error
    except OSError as error:
        raise ImportFailed(problem=error.strerror or str(error)) from error


def keep(lake: Path, package: Verified) -> bool:
    """Give the verified copy its lasting name; False when it was there before."""
    target = lake / package.path
    if target.exists() and _sha256(target) == package.sha256:
        return False
    # what may lie there is damaged, and no record names it: an import comes once
    package.draft.replace(target)
    _sync(target.parent)
    return True


def imported(subject: str, subject_id: UUID) -> ImportedPackage | None:
    """The package a record came with; None for one of our own."""
    return ImportedPackage.objects.filter(subject=subject, subject_id=subject_id).first()


@contextmanager
def _alone(folder: Path) -> Iterator[Path]:
    """The name of a draft in `folder`, where nobody else makes one; what an import that was cut off left is removed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob(".*.draft"):
            left.unlink()
        draft = folder / f".{uuid4().hex}.draft"
        try:
            yield draft
        finally:
            draft.unlink(missing_ok=True)


def _copy(place: Path, draft: Path) -> None:
    """The one zip of a package, on the disk. Of what it says of itself only names and sizes were looked at by then."""
    if place.is_dir():
        source = verify.Folder(place)
        with draft.open("xb") as out:
            verify.write_zip(out, [(name, lambda name=name: source.open(name)) for name in source.sizes])  # type: ignore[misc]
            out.flush()
            os.fsync(out.fileno())
        return
    verify.need(place.is_file(), f"{place} is neither a folder nor a file")
    with place.open("rb") as file, draft.open("xb") as out:
        verify.Zip(file)
        file.seek(0)
        shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _verified(file: Any, draft: Path, keys: list[str], origin: str, company: UUID) -> Verified:
    source = verify.Zip(file)
    told = verify.as_json(source.read("manifest.json"), "manifest.json")
    form = told.get("format") if isinstance(told, dict) else None
    if isinstance(form, str) and form != verify.FORMAT:
        raise PackageNotFitting(record=form[:100])
    check = verify.Check()
    check.run(lambda: source, keys)
    if check.wrong:
        more = f" (+{len(check.wrong) - 1})" if len(check.wrong) > 1 else ""
        raise PackageWrong(problem=check.wrong[0] + more)
    verify.need(not check.open, "; ".join(check.open))
    note = source.read("checkpoint.txt").decode()
    log, size, _root, _witnesses = verify.read_checkpoint(note, keys)
    verify.need(not origin or log == origin, f"the log is {log}, not {origin}")
    export = check.exported
    try:
        export_id, subject_id = UUID(export["id"]), UUID(export["subject_id"])
        subject, name = str(export["subject"]), str(export["name"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise verify.Wrong("the entry of the export is none") from error
    return Verified(
        source=source,
        draft=draft,
        path=f"{company}/packages/{export_id}.zip",
        sha256=_sha256(draft),
        export_id=export_id,
        origin=log,
        key=told["key"],
        note=note,
        size=size,
        subject=subject,
        subject_id=subject_id,
        name=name,
        contents=told["contents"],
    )


class Intake:
    """Rows of one verified package on their way into the tables of `company`; call inside `change`.

    Values are as the package writes them; only the company is another one, and numbers that the database gives.
    Accounts of people that are not here are left out of a record, and written down in `left_out`.
    """

    def __init__(self, package: Verified, company: UUID) -> None:
        self.package = package
        self.company = company
        self.left_out: dict[str, str] = {}
        self._keys: dict[str, set[str]] = {}
        self._columns: dict[str, set[str]] = {}
        self._models = {model._meta.db_table: model for model in apps.get_models()}
        with connection.cursor() as cursor:  # the text of a value depends on these
            cursor.execute(
                "SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1"
            )

    def add(self, table: str) -> dict[str, int]:
        """Insert all rows of a table; of those that the database numbers the new numbers by the old ones.

        Raises RecordsThere, PackageNotFitting.
        """
        numbers = {}
        for line, row in zip(self.package.lines(table), self.package.rows(table), strict=True):
            number = self.insert(table, line, row, {})
            if number is not None:
                numbers[str(row["id"])] = number
        return numbers

    def add_or_keep(self, table: str) -> None:
        """Insert the rows that are not here. One that is has to say the same, or be of an earlier import and unchanged
        since: then the later export stands. Raises RecordDiffers, RecordsThere, PackageNotFitting.
        """
        new = []
        for line, row in zip(self.package.lines(table), self.package.rows(table), strict=True):
            changed = self._changed(table, row, {})
            held = self._held(table, row)
            if held is None:
                new.append((line, row))
                continue
            differing = sorted(name for name, value in row.items() if held.get(name) != changed.get(name, value))
            if differing:
                self._bring_up(table, line, row, changed, differing)
        # what is in force no longer makes room for what is now
        for line, row in new:
            self.insert(table, line, row, {})

    def add_or_keep_by(self, column: str, table: str) -> None:
        """The same for rows that the database numbers and that are known by `column`, a digest of what they say."""
        for line, row in zip(self.package.lines(table), self.package.rows(table), strict=True):
            with self._told(table, row), connection.cursor() as cursor:
                cursor.execute(
                    f'SELECT to_jsonb(r)::text FROM "{table}" r'  # noqa: S608 - names of ours
                    f' JOIN jsonb_populate_record(NULL::"{table}", %s::jsonb) g'
                    f" ON r.company_id = %s AND r.{column} = g.{column}",
                    [line.decode(), str(self.company)],
                )
                found = cursor.fetchone()
            if found is None:
                self.insert(table, line, row, {})
                continue
            held = json.loads(found[0], parse_float=Decimal)
            differing = [
                name for name in row if name not in ("id", "company_id", "recorded_at") and held.get(name) != row[name]
            ]
            if differing:
                raise RecordDiffers(record=f"{table} {row[column]}, {differing[0]}")

    def insert(self, table: str, line: bytes, row: Mapping[str, Any], given: dict[str, Any]) -> int | None:
        """One row; the number that the database gave it. Raises RecordsThere, PackageNotFitting."""
        changed = self._changed(table, row, given)
        numbered = isinstance(row["id"], int)
        names = [name for name in row if not (numbered and name == "id")]
        columns = ", ".join(connection.ops.quote_name(name) for name in names)
        with self._told(table, row), connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO "{table}" ({columns}) SELECT {columns}'  # noqa: S608 - names that the table has
                f' FROM jsonb_populate_record(NULL::"{table}", %s::jsonb || %s::jsonb) RETURNING id',
                [line.decode(), json.dumps(changed, default=str)],
            )
            (key,) = cursor.fetchone()
        return key if numbered else None

    def settle(self) -> None:
        """Have the database check now what it would check at the end. Raises PackageNotFitting."""
        with self._told("", {}), connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    def _changed(self, table: str, row: Mapping[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        """What of a row is not taken as it is. Raises PackageNotFitting for a row that is none of this table, or that
        names a record which does not come with it."""
        unknown = row.keys() - self._columns_of(table)
        if unknown:
            raise PackageNotFitting(record=f"{table} {sorted(unknown)[0]}")
        changed = {"company_id": str(self.company)} | given
        model = self._models[table]
        for each in model._meta.concrete_fields:
            if isinstance(each, models.ForeignKey) and each.column in row.keys() - changed.keys():
                value, to = row[each.column], each.related_model._meta.db_table
                if value is None or str(value) in self._keys_of(to):
                    continue
                if to != "people_user":
                    raise PackageNotFitting(record=f"{table} {row['id']}: {each.column} {value}")
                if not each.related_model._default_manager.filter(id=value, company_id=self.company).exists():
                    changed[each.column] = None
                    self.left_out[f"{table}/{row['id']}/{each.column}"] = str(value)
        return changed

    def _bring_up(
        self, table: str, line: bytes, row: Mapping[str, Any], changed: dict[str, Any], differing: list[str]
    ) -> None:
        """What came with an earlier package of the same log, and nobody changed here, is as the later export says."""
        record = f"{table} {row['id']}, {differing[0]}"
        earlier = list(ImportedPackage.objects.filter(origin=self.package.origin))
        imports = AuditEntry.objects.filter(
            table_name=ImportedPackage._meta.db_table, record_id__in=[str(each.id) for each in earlier]
        )
        entries = AuditEntry.objects.filter(table_name=table, record_id=str(row["id"]))
        by_others = entries.exclude(transaction_id__in=imports.values("transaction_id"))
        if not earlier or by_others.exists() or self._models[table].guard.append_only:  # type: ignore[attr-defined]
            raise RecordDiffers(record=record)
        if max(int(each.checkpoint.split("\n")[1]) for each in earlier) >= self.package.size:
            return  # what is here may be of the later one
        columns = ", ".join(connection.ops.quote_name(name) for name in differing)
        with self._told(table, row), connection.cursor() as cursor:
            cursor.execute(
                f'UPDATE "{table}" SET ({columns}) = (SELECT {columns}'  # noqa: S608 - names that the table has
                f' FROM jsonb_populate_record(NULL::"{table}", %s::jsonb || %s::jsonb)) WHERE id = %s',
                [line.decode(), json.dumps(changed, default=str), str(row["id"])],
            )

    def _held(self, table: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._told(table, row), connection.cursor() as cursor:
            cursor.execute(f'SELECT to_jsonb(r)::text FROM "{table}" r WHERE id = %s', [str(row["id"])])  # noqa: S608
            found = cursor.fetchone()
        return json.loads(found[0], parse_float=Decimal) if found else None

    def _keys_of(self, table: str) -> set[str]:
        if table not in self._keys:
            self._keys[table] = {str(row["id"]) for row in self.package.rows(table)}
        return self._keys[table]

    def _columns_of(self, table: str) -> set[str]:
        if table not in self._columns:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT attname FROM pg_attribute"
                    " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                    [f'"{table}"'],
                )
                self._columns[table] = {name for (name,) in cursor.fetchall()}
        return self._columns[table]

    @contextmanager
    def _told(self, table: str, row: Mapping[str, Any]) -> Iterator[None]:
        record = f"{table} {row.get('id', '')}".strip()
        try:
            yield
        except DatabaseError as error:
            detail = getattr(getattr(error.__cause__, "diag", None), "message_primary", None) or str(error)
            named = f"{record}: {detail}" if record else detail
            if isinstance(error, IntegrityError) and getattr(error.__cause__, "sqlstate", "") in TAKEN:
                raise RecordsThere(record=named) from error
            raise PackageNotFitting(record=named) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
