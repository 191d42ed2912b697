"""Seeded tamperings of everything that is kept, and whether verification finds and names each.

A tampering is done as nobody in the application could do it: as a superuser with all triggers off, on the disk,
or in a package's bytes. Each one changes something (that is asserted), is looked at by the same functions that the
commands use, and is undone.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import io
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from django.db import DatabaseError, connections, transaction

from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.archive.replay import check_records, check_table
from baro.apps.ledger.log.verification import verify_log
from baro.apps.ledger.merkle import Signer
from baro.apps.ledger.standalone import verify
from baro.apps.pat.checking import check_predictions
from baro.config import config
from baro.database.context import Context
from baro.historian.store import Historian
from tests.apps.ledger.packages import Released

LOG = ("ledger_auditentry", "ledger_node", "ledger_checkpoint")
NO_RECORD = {"release_standing", "ledger_sequencing", "ledger_cosignature", "people_apitokenuse"}
"""What is overwritten or only saves time, and what rests on the key of a witness that is not configured here."""

NUMBERED = {"index", "size", "first_seq", "last_seq", "position", "version"}

UNCOVERED = {"pat_predictionblock": {"recorded_at"}, "ledger_checkpoint": {"at"}}
"""Columns of tables without a trail that say only when a row was written, and that nothing else rests on."""


@dataclass
class Tally:
    """What became of the tamperings: `missed` names each that nobody found."""

    detected: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)
    untouched: int = 0

    def note(self, area: str, what: str, names: tuple[str, ...], findings: list[str]) -> None:
        """A tampering counts as detected when one of the findings bears one of its names."""
        if any(name in finding for finding in findings for name in names):
            self.detected[area] += 1
        else:
            self.missed.append(f"{area}: {what}; expected one of {names}; findings {findings[:3]}")

    def __str__(self) -> str:
        areas = ", ".join(f"{area} {count}" for area, count in sorted(self.detected.items()))
        return (
            f"tampering: {sum(self.detected.values())} detected ({areas}), {len(self.missed)} missed,"
            f" {len(self.false_alarms)} false alarms on {self.untouched} untouched copies"
        )


class Database:
    """Tampers with rows of one company, and of the log, in transactions that are undone."""

    def __init__(self, released: Released, rng: random.Random) -> None:
        self.company: UUID = released.plant.company
        self.lot_no = released.lot_no
        self.rng = rng
        self.guards = {name: guard for name, guard in guarded_tables().items() if name not in NO_RECORD}
        with connections["owner"].cursor() as cursor:
            self.columns = {table: self._columns(cursor, table) for table in self.guards}
            self.keys = {table: self._keys(cursor, table) for table in self.guards}
        self.tables = sorted(table for table, keys in self.keys.items() if keys)

    def _columns(self, cursor: Any, table: str) -> dict[str, str]:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass"
            " AND attnum > 0 AND NOT attisdropped AND attname <> 'id'",
            [f'"{table}"'],
        )
        return {name: kind for name, kind in cursor.fetchall() if name not in UNCOVERED.get(table, ())}

    def _keys(self, cursor: Any, table: str) -> list[str]:
        own = self.guards[table].company
        where = f'"{own}" = %s' if own else "%s IS NOT NULL"
        cursor.execute(f'SELECT id::text FROM "{table}" WHERE {where} ORDER BY id', [self.company])
        return [row[0] for row in cursor.fetchall()]

    def findings(self, table: str) -> list[str]:
        """What verification says, of the part that this table belongs to."""
        with connections["owner"].cursor() as cursor:
            if table in LOG:
                found = [str(finding) for finding in verify_log(using="owner").findings]
                # an entry that was made up waits to be taken in like any other: the records do not follow from it
                return found + [str(f) for f in check_records(self.company)] if table == "ledger_auditentry" else found
            if self.guards[table].audited:
                # a company that was put in is seen by a look at all companies only
                of = None if self.guards[table].company == "id" else self.company
                return [str(f) for f in check_table(cursor, table, self.guards[table], of)]
            if table == "pat_predictionblock":
                return check_predictions(self.company, self.lot_no, using="owner")
            Context(self.company).apply(cursor)
            raw = connections["owner"].connection
            return [str(f) for f in Historian(raw, self.company, config().data_dir).check(self.lot_no)]

    def tamper(self, tally: Tally) -> None:
        table = self.rng.choice(self.tables)
        key = self.rng.choice(self.keys[table])
        act = self.rng.choice([self.change, self.change, self.change, self.delete, self.insert, self.swap])
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            cursor.execute("SET LOCAL ROLE none")
            cursor.execute("SET LOCAL session_replication_role = replica")
            try:
                with transaction.atomic(using="owner"):
                    done = act(cursor, table, key)
            except (DatabaseError, psycopg.Error):
                done = None  # even a superuser cannot write this: a constraint forbids it
            if done is not None:
                what, names = done
                tally.note("database", what, names, self.findings(table))
            transaction.set_rollback(True, using="owner")
        if done is None:
            self.tamper(tally)

    def row(self, cursor: Any, table: str, key: str) -> str:
        cursor.execute(f'SELECT to_jsonb(r)::text FROM "{table}" r WHERE id::text = %s', [key])
        found = cursor.fetchone()
        return found[0] if found else ""

    def names(self, cursor: Any, table: str, row: str) -> tuple[str, ...]:
        """By what a finding may call this row: key, place in the log, source and number, file."""
        fields = json.loads(row)
        if table == "ledger_auditentry":
            return (f"(entry {fields['id']})", f"{fields['table_name']} {fields['record_id']}")
        if table == "ledger_node":
            width = 256 ** fields["level"]
            return (
                f"(entry {fields['entry_id']})",
                f" {fields['index'] * width}",
                f"-{(fields['index'] + 1) * width - 1}",
                f"node {fields['index']} ",
                "truncated",
            )
        if table == "ledger_checkpoint":
            return (f"size {fields['size']}", f"for {fields['size']} ", "rewritten", "truncated", "checkpoint")
        if table == "historian_block":
            within = range(fields["first_seq"], fields["first_seq"] + fields["count"])
            return (f" seq={fields['first_seq']},", f" last_seq={fields['last_seq']},", *(f" seq={n}," for n in within))
        if table == "pat_predictionblock":
            place = f"{fields['source']} {fields['epoch']}/{fields['first_seq']}-{fields['last_seq']}"
            return (f"{table} {fields['id']},", f" {place}")
        return (f"{table} {fields['id']}:", f"{table} {fields['id']} ")

    def change(self, cursor: Any, table: str, key: str) -> tuple[str, tuple[str, ...]] | None:
        before = self.row(cursor, table, key)
        column = self.rng.choice(sorted(self.columns[table]))
        new = other_value(self.rng, self.columns[table][column], json.loads(before)[column])
        if new is SKIP:
            return None
        cursor.execute(
            f'UPDATE "{table}" SET "{column}" = (jsonb_populate_record(NULL::"{table}", %s::jsonb))."{column}"'
            " WHERE id::text = %s",
            [json.dumps({column: new}), key],
        )
        after = self.row(cursor, table, key)
        if json.loads(after) == json.loads(before):
            return None
        return f"{table} {key} {column} changed", self.names(cursor, table, before) + self.names(cursor, table, after)

    def delete(self, cursor: Any, table: str, key: str) -> tuple[str, tuple[str, ...]] | None:
        before = self.row(cursor, table, key)
        if table == "ledger_checkpoint" and key == self.keys[table][-1]:
            return None  # an older state of the whole: only a checkpoint kept outside shows it, see Packages
        if table == "ledger_checkpoint" or (table == "pat_predictionblock" and len(self.keys[table]) < 2):
            return None  # a size that was signed between others and is gone: the later ones cover it
        cursor.execute(f'DELETE FROM "{table}" WHERE id::text = %s', [key])
        assert cursor.rowcount == 1
        return f"{table} {key} deleted", self.names(cursor, table, before)

    def insert(self, cursor: Any, table: str, key: str) -> tuple[str, tuple[str, ...]] | None:
        row = json.loads(self.row(cursor, table, key))
        whole = isinstance(row["id"], int)
        cursor.execute(f'SELECT coalesce(max(id), 0) + 1 FROM "{table}"' if whole else "SELECT gen_random_uuid()::text")
        row["id"] = cursor.fetchone()[0]
        for column, kind in self.columns[table].items():
            if kind in ("text", "character varying") and column not in ("source", "kind", "lot", "lot_no", "axis"):
                row[column] = f"{row[column]}x"
            if isinstance(row[column], int) and column in NUMBERED:
                row[column] = row[column] + 1_000_003
        if table == "historian_block":
            row["seqs"] = f"{{[{row['first_seq']},{row['last_seq'] + 1})}}"
        cursor.execute(
            f'INSERT INTO "{table}" OVERRIDING SYSTEM VALUE'
            f' SELECT (jsonb_populate_record(NULL::"{table}", %s::jsonb)).*',
            [json.dumps(row)],
        )
        after = self.row(cursor, table, str(row["id"]))
        return f"{table} {row['id']} inserted", self.names(cursor, table, after)

    def swap(self, cursor: Any, table: str, key: str) -> tuple[str, tuple[str, ...]] | None:
        """Two rows exchange what they hold in one column, such as the signature of two decisions."""
        other = self.rng.choice(self.keys[table])
        column = self.rng.choice(sorted(self.columns[table]))
        rows = [json.loads(self.row(cursor, table, each)) for each in (key, other)]
        if rows[0][column] == rows[1][column]:
            return None
        for each, value in ((key, rows[1][column]), (other, rows[0][column])):
            cursor.execute(
                f'UPDATE "{table}" SET "{column}" = (jsonb_populate_record(NULL::"{table}", %s::jsonb))."{column}"'
                " WHERE id::text = %s",
                [json.dumps({column: value}), each],
            )
        after = self.row(cursor, table, key)
        assert json.loads(after) != rows[0]
        return f"{table} {key} and {other} exchanged {column}", self.names(cursor, table, json.dumps(rows[0]))


SKIP = object()


def other_value(rng: random.Random, kind: str, value: Any) -> Any:
    """Another value of the same type, as JSON that the database reads."""
    if kind.startswith("int") and "range" in kind:
        return SKIP
    if kind.endswith("[]"):
        return [*value, value[0] + 1] if value else SKIP
    match kind:
        case "uuid":
            return str(UUID(int=rng.getrandbits(128)))
        case "boolean":
            return not value
        case "smallint" | "integer" | "bigint":
            return (value or 0) + rng.choice([1, 2, 7])
        case "double precision":
            return (value or 0.0) * 1.001 + 0.5
        case "numeric":
            return (value or 0) + 1
        case "date":
            return "2001-02-03" if value != "2001-02-03" else "2001-02-04"
        case "timestamp with time zone":
            return f"20{rng.randrange(10, 26)}-0{rng.randrange(1, 9)}-11T10:20:30.{rng.randrange(10**6):06d}+00:00"
        case "bytea":
            raw = bytearray(bytes.fromhex(str(value or "\\x00")[2:]) or b"\0")
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            return "\\x" + raw.hex()
        case "jsonb":
            return tampered_json(rng, value)
        case "inet":
            return "10.9.8.7" if value != "10.9.8.7" else "10.9.8.6"
        case "text" | "character varying":
            text = str(value or "")
            if not text:
                return "x"
            at = rng.randrange(len(text))
            return text[:at] + rng.choice([c for c in "abcxyz0189" if c != text[at]]) + text[at + 1 :]
    return SKIP


def tampered_json(rng: random.Random, value: Any) -> Any:
    changed = copy.deepcopy(value)
    if isinstance(changed, dict) and changed:
        name = rng.choice(sorted(changed))
        changed[name] = tampered_json(rng, changed[name])
        return changed
    if isinstance(changed, list) and changed:
        at = rng.randrange(len(changed))
        changed[at] = tampered_json(rng, changed[at])
        return changed
    if isinstance(changed, bool) or changed is None:
        return not changed
    if isinstance(changed, int | float):
        return changed + 1
    return f"{changed}x"


class Lake:
    """Tampers with sealed files on the disk, and puts them back."""

    def __init__(self, released: Released, rng: random.Random) -> None:
        self.company, self.lot_no, self.rng = released.plant.company, released.lot_no, rng
        self.files = sorted(config().data_dir.joinpath(str(self.company)).rglob("*.parquet"))
        assert self.files

    def findings(self) -> list[str]:
        with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
            Context(self.company).apply(cursor)
            historian = Historian(connections["owner"].connection, self.company, config().data_dir)
            return [f"{finding.place} {finding}" for finding in historian.check(self.lot_no)]

    def tamper(self, tally: Tally) -> None:
        path = self.rng.choice(self.files)
        content = path.read_bytes()
        other = self.rng.choice([file for file in self.files if file != path] or [path])
        act = self.rng.choice(["flip", "flip", "flip", "truncate", "append", "delete", "exchange"])
        changed = tampered_bytes(self.rng, act, content, other.read_bytes())
        if changed == content:
            return self.tamper(tally)
        path.unlink()
        try:
            if changed is not None:
                path.write_bytes(changed)
            tally.note("sealed files", f"{path.name} {act}", (path.name,), self.findings())
        finally:
            path.unlink(missing_ok=True)
            path.write_bytes(content)
        return None


def tampered_bytes(rng: random.Random, act: str, content: bytes, other: bytes) -> bytes | None:
    if not content and act in ("flip", "truncate", "insert"):
        act = "append"
    match act:
        case "flip":
            raw = bytearray(content)
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            return bytes(raw)
        case "truncate":
            return content[: rng.randrange(len(content))]
        case "append":
            return content + rng.randbytes(rng.randrange(1, 40))
        case "delete":
            return None
        case "insert":
            at = rng.randrange(len(content))
            return content[:at] + rng.randbytes(1) + content[at:]
        case _:
            return other


class Packages:
    """Tampers with an exported package, as a folder (its files) and as a zip (its bytes)."""

    def __init__(self, released: Released, rng: random.Random) -> None:
        self.released, self.rng = released, rng
        self.files = released.files
        out = io.BytesIO()
        released.package.write_zip(out)
        self.zip = out.getvalue()
        self.names = sorted(self.files)
        self.manifest = json.loads(self.files["manifest.json"])

    def check_zip(self, content: bytes) -> list[str]:
        check = verify.Check()
        check.run(lambda: verify.Zip(io.BytesIO(content)), [self.released.key])
        return check.wrong

    def tamper_zip(self, tally: Tally) -> None:
        raw = self.zip
        act = self.rng.choice(["flip", "flip", "flip", "truncate", "append", "insert", "cut"])
        if act == "cut":
            at = self.rng.randrange(len(raw) - 10)
            changed: bytes | None = raw[:at] + raw[at + self.rng.randrange(1, 10) :]
        else:
            changed = tampered_bytes(self.rng, act, raw, b"")
        assert changed is not None
        assert changed != raw
        # a container that cannot be read is named as such, a file that was changed by its name
        tally.note("zips", act, ("zip", *self.names), self.check_zip(changed))

    def tamper(self, tally: Tally) -> None:
        act = self.rng.choice(
            [self.bytes_of_file, self.bytes_of_file, self.line, self.value, self.leaf, self.key, self.signature]
        )
        files = dict(self.files)
        done = act(files)
        if done is None or files == self.files:
            return self.tamper(tally)
        what, names = done
        tally.note("packages", what, names, self.released.check(files).wrong)
        return None

    def bytes_of_file(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]]:
        name = self.rng.choice(self.names)
        act = self.rng.choice(["flip", "truncate", "append", "insert", "delete", "exchange", "new"])
        if act == "new":
            files[f"records/{self.rng.randrange(10**6)}.jsonl"] = b"{}\n"
            return "a file more", ("is not of this package",)
        changed = tampered_bytes(self.rng, act, files[name], files[self.rng.choice(self.names)])
        if changed is None:
            del files[name]
        else:
            files[name] = changed
        return f"{name} {act}", (name.split("/")[-1], name)

    def line(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]] | None:
        """Lines of the log or of a table are taken away, doubled or exchanged."""
        name = self.rng.choice([name for name in self.names if name.endswith(".jsonl") and files[name]])
        lines = files[name].splitlines(keepends=True)
        at, other = self.rng.randrange(len(lines)), self.rng.randrange(len(lines))
        match self.rng.choice(["delete", "double", "exchange"]):
            case "delete":
                del lines[at]
            case "double":
                lines.insert(other, lines[at])
            case _:
                lines[at], lines[other] = lines[other], lines[at]
        files[name] = b"".join(lines)
        return f"{name} lines", (name, "log.jsonl", name.split("/")[-1].split(".")[0])

    def value(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]] | None:
        """One value of one record, and the list of contents made to fit."""
        name = self.rng.choice([name for name in self.names if name.startswith("records/") and files[name]])
        lines = files[name].splitlines()
        at = self.rng.randrange(len(lines))
        lines[at] = json.dumps(tampered_json(self.rng, json.loads(lines[at]))).encode()
        files[name] = b"\n".join(lines) + b"\n"
        self.refit(files, name)
        return f"{name} a value, list of contents made to fit", (name, name[8:-6], "manifest.json")

    def leaf(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]] | None:
        """The text of an entry of the trail, its index, or its proof."""
        lines = files["log.jsonl"].splitlines()
        at = self.rng.randrange(len(lines))
        line = json.loads(lines[at])
        match self.rng.choice(["leaf", "index", "proof", "swap", "cut"]):
            case "leaf":
                line["leaf"] = json.dumps(tampered_json(self.rng, json.loads(line["leaf"])))
            case "index":
                line["index"] += self.rng.choice([-1, 1])
            case "proof" if line["proof"]:
                place = self.rng.randrange(len(line["proof"]))
                line["proof"][place] = base64.b64encode(self.rng.randbytes(32)).decode()
            case "swap":
                line["leaf"] = json.loads(self.rng.choice(lines))["leaf"]
            case _:
                line["proof"] = line["proof"][:-1]
        lines[at] = verify.log_line(line["index"], line["leaf"], line["proof"])
        files["log.jsonl"] = b"".join(each + b"\n" for each in lines)
        return f"entry in line {at + 1}", (f"line {at + 1}", f"line {at + 2}", "log.jsonl")

    def key(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]]:
        """The log signed by another key, with or without the key in the package replaced."""
        body = verify.split_note(files["checkpoint.txt"].decode())[0]
        forger = Signer.new(self.manifest["log"])
        if self.rng.random() < 0.3:
            head = body.split("\n")
            body = f"{head[0]}\n{self.rng.choice([0, 1, int(head[1]) + 1])}\n{head[2]}\n"
        files["checkpoint.txt"] = f"{body}\n{forger.sign(body)}".encode()
        if self.rng.random() < 0.5:
            files["manifest.json"] = verify.manifest_text(self.manifest | {"key": forger.verifier.vkey})
        return "another key", ("checkpoint.txt", "manifest.json: the key")

    def signature(self, files: dict[str, bytes]) -> tuple[str, tuple[str, ...]] | None:
        """A signature moved to another record, or its content exchanged, and the list of contents made to fit."""
        name = "records/ledger_signature.jsonl"
        lines = [json.loads(line) for line in files[name].splitlines()]
        one, two = self.rng.sample(range(len(lines)), 2)
        column = self.rng.choice(["record_id", "content_hash", "signer_name", "signed_at", "seal", "reason", "meaning"])
        if lines[one][column] == lines[two][column]:
            return None
        lines[one][column] = lines[two][column]
        files[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        self.refit(files, name)
        return f"signature's {column} moved", (str(lines[one]["id"]),)

    def refit(self, files: dict[str, bytes], name: str) -> None:
        manifest = copy.deepcopy(self.manifest)
        content = files[name]
        manifest["contents"]["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files["manifest.json"] = verify.manifest_text(manifest)


def tamper(released: Released, count: int, untouched: int, seed: int) -> Tally:
    """`count` tamperings: two fifths of the database, a tenth of sealed files, half of packages."""
    rng = random.Random(seed)
    tally = Tally()
    database, lake, packages = Database(released, rng), Lake(released, rng), Packages(released, rng)
    areas: list[tuple[Callable[[Tally], None], float]] = [
        (database.tamper, 0.4),
        (lake.tamper, 0.1),
        (packages.tamper, 0.35),
        (packages.tamper_zip, 0.15),
    ]
    acts, weights = zip(*areas, strict=True)
    for act in rng.choices(acts, weights, k=count):
        act(tally)
    for number in range(untouched):
        tally.untouched += 1
        tally.false_alarms += list(_untouched(number, database, lake, packages))
    return tally


def _untouched(number: int, database: Database, lake: Lake, packages: Packages) -> Iterator[str]:
    match number % 4:
        case 0:
            with contextlib.ExitStack() as stack:
                stack.enter_context(transaction.atomic(using="owner"))
                yield from database.findings(database.tables[number // 4 % len(database.tables)])
        case 1:
            yield from lake.findings()
        case 2:
            yield from packages.released.check(dict(packages.files)).wrong
        case _:
            yield from packages.check_zip(bytes(packages.zip))
