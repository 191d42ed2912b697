"""Durable store-and-forward in one SQLite file.

What was appended is on the disk, in order, together with the states of the sources after it: one transaction,
synchronised before `append` returns. What the sink has taken is removed. A process that dies at any point
leaves a spool that says the truth; at worst the last items are delivered again, byte for byte the same.
What the sink can never take is replaced by what tells of it; what not even tells itself stays in the table
``refused`` until a person looks at it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from baro.edge.assembler import Item
from baro.edge.blocks import (
    Axis,
    Block,
    Event,
    EventKind,
    Gap,
    GapReason,
    JournalPart,
    Kind,
    batch_from_bytes,
)
from baro.edge.errors import SpoolBrokenError, SpoolFullError
from baro.edge.state import SourceState, from_us

DIGEST_BYTES = 32
_SCHEMA = """
create table if not exists item (
    id integer primary key autoincrement,
    head text not null,
    digests blob not null,
    body blob not null,
    source text not null default '',
    loose integer not null default 0
);
create table if not exists source (name text primary key, state text not null) without rowid;
create table if not exists refused (
    id integer primary key,
    head text not null,
    digests blob not null,
    body blob not null,
    reason text not null,
    at text not null default current_timestamp
);
"""
# a file of an earlier version has neither of the columns
_UPGRADE = """
alter table item add column source text not null default '';
alter table item add column loose integer not null default 0;
update item set source = coalesce(json_extract(head, '$.source'), '');
"""
_INDEX = "create index if not exists item_order on item (id, source, loose)"
_UPDATE = "update item set head = ?, digests = ?, body = ?, source = ?, loose = ? where id = ?"
_INSERT = "insert into item (head, digests, body, source, loose) values (?, ?, ?, ?, ?)"
ROOM = 0.02  # share of the limit that is made free at once by dropping


@dataclass(frozen=True, slots=True)
class Spooled:
    """One item on its way to the sink. `digests` are empty unless it is a block, `body` unless it is one or a part of a
    journal."""

    id: int
    item: Item
    digests: list[bytes]
    body: bytes


class Head(NamedTuple):
    """An item without its content. source: "" of an axis. loose: samples of no lot."""

    id: int
    source: str
    loose: bool


class Spool:
    """The spool of one gateway.

    path: the file, made if absent. limit: most bytes of undelivered bodies. floor: bytes that stay free on the disk.
    `append` of blocks or of a journal beyond either raises SpoolFullError and takes nothing; with `drop_oldest` the
    oldest blocks go first, and gaps stand where they stood. Gaps, events and axes are taken as long as the disk has a
    byte: they are what tells of the loss. One thread appends while another delivers. Raises SpoolBrokenError when the
    file cannot be opened.
    """

    def __init__(self, path: Path, limit: int, floor: int = 0, drop_oldest: bool = False) -> None:
        self.path = path
        self.limit = limit
        self.floor = floor
        self.drop_oldest = drop_oldest
        self._lent: set[int] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path, "full")
            # Removing what was delivered need not be durable: delivered twice does no harm.
            self._reader = _connect(path, "normal")
            found = self._writer.execute("select count(*), coalesce(sum(length(body)), 0) from item").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise SpoolBrokenError(f"{path}: {error}") from error
        self._lock = threading.Lock()
        count, used = found
        self._count = int(count)
        self._used = int(used)

    @property
    def depth(self) -> int:
        """Items not delivered yet."""
        return self._count

    @property
    def used(self) -> int:
        """Bytes of the bodies not delivered yet."""
        return self._used

    def free(self) -> int:
        """Bytes that can be written: those free on the disk, and the empty pages of the file itself."""
        found = os.statvfs(self.path.parent)
        pages = self._writer.execute("select freelist_count * page_size from pragma_freelist_count, pragma_page_size")
        return int(found.f_bavail * found.f_frsize + pages.fetchone()[0])

    @property
    def share(self) -> float:
        """How full it is: 1 is full, by its own limit or by the disk."""
        own = self._used / self.limit if self.limit else 1.0
        return own if not self.floor else max(own, min(self.floor / max(self.free(), 1), 1.0))

    @property
    def newest(self) -> int:
        """The number of the newest item, 0 when there is none."""
        return int(self._reader.execute("select coalesce(max(id), 0) from item").fetchone()[0])

    def states(self) -> dict[str, SourceState]:
        """The state of each source after the last append."""
        rows = self._writer.execute("select name, state from source").fetchall()
        return {name: SourceState.from_json(text) for name, text in rows}

    def append(self, items: Sequence[Item], states: Mapping[str, SourceState]) -> None:
        """Add all items and states or none. Raises SpoolFullError when there is no room for them,
        SpoolBrokenError when the file cannot be written."""
        rows = [_row(item) for item in items]
        size = sum(len(row[2]) for row in rows)
        if size:
            short = self._short(size)
            if short and not (self.drop_oldest and self._drop(short[0])):
                raise SpoolFullError(short[1])
        try:
            with self._writer:
                self._writer.execute("begin immediate")
                self._writer.executemany(_INSERT, rows)
                self._writer.executemany(
                    "insert or replace into source (name, state) values (?, ?)",
                    [(name, state.to_json()) for name, state in states.items()],
                )
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise SpoolFullError(f"{self.path}: {error}") from error
            raise SpoolBrokenError(f"{self.path}: {error}") from error
        with self._lock:
            self._count += len(rows)
            self._used += size

    def peek(self, count: int = 32, size: int = 8_000_000, until: int = 2**62) -> list[Spooled]:
        """The oldest items up to number `until`, at most `count` and about `size` bytes of them. Empty when all of them
        are delivered."""
        query = "select id, head, digests, body from item where id <= ? order by id limit ?"
        with self._lock:  # what is lent is not dropped
            found = _some(self._reader.execute(query, (until, count)), size)
            self._lent = {entry.id for entry in found}
        return found

    def fetch(self, ids: Sequence[int], size: int = 8_000_000) -> list[Spooled]:
        """The items of these ascending numbers, about `size` bytes of them."""
        query = "select id, head, digests, body from item where id in (select value from json_each(?)) order by id"
        with self._lock:
            found = _some(self._reader.execute(query, (json.dumps(ids),)), size)
            self._lent = {entry.id for entry in found}
        return found

    def heads(self, after: int = 0, until: int = 2**62, limit: int = -1) -> list[Head]:
        """The items with numbers beyond `after` up to `until`, oldest first."""
        query = "select id, source, loose from item indexed by item_order where id > ? and id <= ? order by id limit ?"
        rows = self._reader.execute(query, (after, until, limit)).fetchall()
        return [Head(id_, source, bool(loose)) for id_, source, loose in rows]

    def remove(self, delivered: Sequence[Spooled]) -> None:
        """The sink has these."""
        if not delivered:
            return
        with self._reader:
            self._reader.execute("begin immediate")
            self._reader.executemany("delete from item where id = ?", [(entry.id,) for entry in delivered])
        self._removed(delivered)

    def replace(self, entry: Spooled, first: Item, *others: Item) -> None:
        """`first` stands in the queue where `entry` stood, the others at its end: all or nothing, durable."""
        rows = [_row(item) for item in others]
        with closing(_connect(self.path, "full")) as connection, connection:
            connection.execute("begin immediate")
            connection.execute(_UPDATE, (*_row(first), entry.id))
            connection.executemany(_INSERT, rows)
        self._removed([entry], added=1 + len(rows))

    def put_aside(self, entry: Spooled, reason: str) -> None:
        """Out of the queue, into the table ``refused``: all or nothing, durable."""
        with closing(_connect(self.path, "full")) as connection, connection:
            connection.execute("begin immediate")
            connection.execute(
                "insert into refused (id, head, digests, body, reason)"
                " select id, head, digests, body, ? from item where id = ?",
                (reason, entry.id),
            )
            connection.execute("delete from item where id = ?", (entry.id,))
        self._removed([entry])

    def refused(self) -> list[tuple[Spooled, str]]:
        """What was put aside, and why."""
        rows = self._writer.execute("select id, head, digests, body, reason from refused order by id").fetchall()
        return [(_spooled(*row), reason) for *row, reason in rows]

    def close(self) -> None:
        """Close the file. Nothing is lost that was appended."""
        self._reader.close()
        self._writer.close()

    def _short(self, size: int) -> tuple[int, str] | None:
        """How many bytes are missing for so many more, and why; None when there is room."""
        if self._used + size > self.limit:
            return self._used + size - self.limit, f"{self._used + size} of {self.limit} bytes"
        if self.floor and (free := self.free()) - size < self.floor:
            missing = self.floor + size - free
            return missing, f"{free} bytes are free on the disk, {self.floor} have to stay free"
        return None

    def _drop(self, size: int) -> bool:
        """Give up the oldest blocks, at least `size` bytes of them and some more; False when there are not so many.

        A gap stands in the place of the first of blocks that followed each other.
        """
        wanted, freed = size + int(self.limit * ROOM), 0
        gaps: dict[int, Gap] = {}
        last: dict[tuple[str, int, str], int] = {}  # the gap that a block may go on
        gone: list[int] = []
        with self._lock:
            query = "select id, head, digests, body from item where length(body) > 0 order by id"
            try:
                with self._writer:
                    self._writer.execute("begin immediate")
                    for row in self._writer.execute(query):
                        entry = _spooled(*row)
                        if not isinstance(entry.item, Block) or entry.id in self._lent:
                            continue
                        gap = lost(entry.item, GapReason.SPOOL_FULL)
                        name = (gap.source, gap.epoch, gap.lot)
                        before = gaps.get(last.get(name, -1))
                        if before is not None and before.last_seq == gap.first_seq - 1:
                            gaps[last[name]] = replace(before, last_seq=gap.last_seq, ended_at=gap.ended_at)
                            gone.append(entry.id)
                        else:
                            last[name] = entry.id
                            gaps[entry.id] = gap
                        freed += len(entry.body)
                        if freed >= wanted:
                            break
                    if freed < size:
                        self._writer.rollback()
                        return False
                    self._writer.executemany(_UPDATE, [(*_row(gap), id_) for id_, gap in gaps.items()])
                    self._writer.executemany("delete from item where id = ?", [(id_,) for id_ in gone])
            except sqlite3.Error as error:
                raise SpoolBrokenError(f"{self.path}: {error}") from error
            self._count -= len(gone)
            self._used -= freed
        return True

    def _removed(self, entries: Sequence[Spooled], added: int = 0) -> None:
        with self._lock:
            self._count += added - len(entries)
            self._used -= sum(len(entry.body) for entry in entries)


def lost(block: Block, reason: GapReason) -> Gap:
    """The gap that a block leaves."""
    times = pc.min_max(block.batch.column("time").cast(pa.int64()))
    started_at, ended_at = from_us(times["min"].as_py()), from_us(times["max"].as_py())
    return Gap(block.source, block.epoch, block.first_seq, block.last_seq, block.lot, started_at, ended_at, reason)


def packed(item: Item) -> tuple[str, bytes, bytes]:
    """An item as text and bytes: head, digests (of an event its payload), body."""
    return _content(item)


def unpacked(head: str, digests: bytes, body: bytes) -> Item:
    """The inverse of `packed`. Raises ValueError, KeyError or TypeError for what it cannot have made."""
    return _spooled(0, head, digests, body).item


def carried(entry: Spooled) -> bytes:
    """All that an item holds, as bytes: a block's Arrow IPC stream, the lines of a journal; of others their
    JSON, a line feed, and the payload of an event."""
    if entry.body:
        return entry.body
    head, payload, *_ = _row(entry.item)
    return head.encode() + b"\n" + payload


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"pragma synchronous = {synchronous}")
    connection.executescript(_SCHEMA)
    if "loose" not in [name for _, name, *_ in connection.execute("pragma table_info(item)")]:
        connection.executescript(f"begin immediate; {_UPGRADE} commit;")
    connection.execute(_INDEX)
    return connection


def _some(cursor: sqlite3.Cursor, size: int) -> list[Spooled]:
    found: list[Spooled] = []
    total = 0
    for id_, head, digests, body in cursor:
        found.append(_spooled(id_, head, digests, body))
        total += len(body)
        if total >= size:
            break
    cursor.close()
    return found


def _row(item: Item) -> tuple[str, bytes, bytes, str, bool]:
    """The columns of an item: head, digests, body, source, loose."""
    source = "" if isinstance(item, Axis) else item.source
    loose = isinstance(item, Block) and item.kind is Kind.SAMPLES and not item.lot
    return (*_content(item), source, loose)


def _content(item: Item) -> tuple[str, bytes, bytes]:
    if isinstance(item, Block):
        head: dict[str, object] = {
            "is": "block",
            "source": item.source,
            "kind": item.kind,
            "epoch": item.epoch,
            "lot": item.lot,
            "axis": item.axis,
        }
        return json.dumps(head), b"".join(item.digests()), item.to_bytes()
    if isinstance(item, Gap):
        head = {
            "is": "gap",
            "source": item.source,
            "epoch": item.epoch,
            "first_seq": item.first_seq,
            "last_seq": item.last_seq,
            "lot": item.lot,
            "started_at": item.started_at.isoformat(),
            "ended_at": item.ended_at and item.ended_at.isoformat(),
            "reason": item.reason,
        }
        return json.dumps(head), b"", b""
    if isinstance(item, Event):
        head = {
            "is": "event",
            "source": item.source,
            "kind": item.kind,
            "at": item.at.isoformat(),
            "detail": item.detail,
        }
        return json.dumps(head), item.payload, b""
    if isinstance(item, JournalPart):
        return json.dumps({"is": "journal", "source": item.source}), b"", b"\n".join(item.lines)
    return json.dumps({"is": "axis", "values": item.values, "unit": item.unit}), b"", b""


def _spooled(id_: int, text: str, digests: bytes, body: bytes) -> Spooled:
    head = json.loads(text)
    form = head["is"]
    if form == "block":
        batch = batch_from_bytes(body)
        block = Block(head["source"], Kind(head["kind"]), head["epoch"], head["lot"], head["axis"], batch)
        parts = [digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)]
        return Spooled(id_, block, parts, body)
    if form == "journal":
        return Spooled(id_, JournalPart(head["source"], tuple(body.split(b"\n"))), [], body)
    item: Item
    if form == "gap":
        ended_at = head["ended_at"]
        item = Gap(
            head["source"],
            head["epoch"],
            head["first_seq"],
            head["last_seq"],
            head["lot"],
            datetime.fromisoformat(head["started_at"]),
            ended_at and datetime.fromisoformat(ended_at),
            GapReason(head["reason"]),
        )
    elif form == "event":
        at = datetime.fromisoformat(head["at"])
        item = Event(head["source"], EventKind(head["kind"]), at, head["detail"], digests)
    else:
        item = Axis(tuple(head["values"]), head["unit"])
    return Spooled(id_, item, [], b"")
