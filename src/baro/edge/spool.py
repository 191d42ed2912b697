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
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from baro.edge.assembler import Item
from baro.edge.blocks import (
    Axis,
    Block,
    Gap,
    GapReason,
    Kind,
)
from baro.edge.errors import SpoolBrokenError, SpoolFullError
from baro.edge.marks import Waiting, Watermark
from baro.edge.packing import Spooled, entry_of, packed
from baro.edge.state import SourceState, from_us, to_us

_Row = tuple[str, bytes, bytes, str, bool, int]
_SCHEMA = """
create table if not exists item (
    id integer primary key autoincrement,
    head text not null,
    digests blob not null,
    body blob not null,
    source text not null default '',
    loose integer not null default 0,
    observations integer not null default 0
);
create table if not exists source (name text primary key, state text not null) without rowid;
create table if not exists delivered (
    name text primary key,
    epoch integer not null,
    seq integer not null,
    time integer not null
) without rowid;
create table if not exists refused (
    id integer primary key,
    head text not null,
    digests blob not null,
    body blob not null,
    reason text not null,
    at text not null default current_timestamp
);
"""
# files of earlier versions have not all of the columns
_UPGRADE = """
alter table item add column source text not null default '';
alter table item add column loose integer not null default 0;
update item set source = coalesce(json_extract(head, '$.source'), '');
"""
_INDEX = "create index if not exists item_order on item (id, source, loose)"
_UPDATE = "update item set head = ?, digests = ?, body = ?, source = ?, loose = ?, observations = ? where id = ?"
_INSERT = "insert into item (head, digests, body, source, loose, observations) values (?, ?, ?, ?, ?, ?)"
_WAITING = "select source, count(*), sum(observations), sum(length(body)) from item group by source"
ROOM = 0.02  # share of the limit that is made free at once by dropping


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
            found = self._writer.execute(_WAITING).fetchall()
        except (OSError, sqlite3.Error) as error:
            raise SpoolBrokenError(f"{path}: {error}") from error
        self._lock = threading.Lock()
        self._waiting = {source: Waiting(*counts) for source, *counts in found}
        self._count = sum(one.items for one in self._waiting.values())
        self._used = sum(one.size for one in self._waiting.values())

    @property
    def depth(self) -> int:
        """Items not delivered yet."""
        return self._count

    @property
    def used(self) -> int:
        """Bytes of the bodies not delivered yet."""
        return self._used

    def waiting(self) -> dict[str, Waiting]:
        """What of each source is not delivered yet."""
        with self._lock:
            return {source: one for source, one in self._waiting.items() if one.items and source}

    def delivered(self) -> dict[str, Watermark]:
        """Up to where each source was delivered, as `remove` was told."""
        rows = self._reader.execute("select name, epoch, seq, time from delivered").fetchall()
        return {name: Watermark(epoch, seq, from_us(time)) for name, epoch, seq, time in rows}

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
        self._changed(rows)

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

    def remove(self, delivered: Sequence[Spooled], marks: Mapping[str, Watermark] | None = None) -> None:
        """The sink has these. marks: up to where the sources are in the sink by that."""
        if not delivered:
            return
        with self._reader:
            self._reader.execute("begin immediate")
            self._reader.executemany("delete from item where id = ?", [(entry.id,) for entry in delivered])
            self._reader.executemany(
                "insert or replace into delivered (name, epoch, seq, time) values (?, ?, ?, ?)",
                [(name, mark.epoch, mark.seq, to_us(mark.time)) for name, mark in (marks or {}).items()],
            )
        self._changed([], delivered)

    def replace(self, entry: Spooled, first: Item, *others: Item) -> None:
        """`first` stands in the queue where `entry` stood, the others at its end: all or nothing, durable."""
        rows = [_row(item) for item in (first, *others)]
        with closing(_connect(self.path, "full")) as connection, connection:
            connection.execute("begin immediate")
            connection.execute(_UPDATE, (*rows[0], entry.id))
            connection.executemany(_INSERT, rows[1:])
        self._changed(rows, [entry])

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
        self._changed([], [entry])

    def refused(self) -> list[tuple[Spooled, str]]:
        """What was put aside, and why."""
        rows = self._writer.execute("select id, head, digests, body, reason from refused order by id").fetchall()
        return [(entry_of(*row), reason) for *row, reason in rows]

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
        less: dict[str, Waiting] = {}
        with self._lock:
            query = "select id, head, digests, body from item where length(body) > 0 order by id"
            try:
                with self._writer:
                    self._writer.execute("begin immediate")
                    for row in self._writer.execute(query):
                        entry = entry_of(*row)
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
                        part = _waiting(entry)
                        less[gap.source] = less.get(gap.source, Waiting()).changed(part)
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
            for source, part in less.items():
                self._add(source, part, -1)
            for gap in gaps.values():
                self._add(gap.source, Waiting(items=1))
        return True

    def _changed(self, rows: Sequence[_Row], gone: Iterable[Spooled] = ()) -> None:
        """Rows were added, entries have left."""
        with self._lock:
            for _head, _digests, body, source, _loose, observations in rows:
                self._add(source, Waiting(1, observations, len(body)))
            for entry in gone:
                self._add(_source(entry.item), _waiting(entry), -1)

    def _add(self, source: str, part: Waiting, sign: int = 1) -> None:
        self._waiting[source] = self._waiting.get(source, Waiting()).changed(part, sign)
        self._count += sign * part.items
        self._used += sign * part.size


def lost(block: Block, reason: GapReason) -> Gap:
    """The gap that a block leaves."""
    times = pc.min_max(block.batch.column("time").cast(pa.int64()))
    started_at, ended_at = from_us(times["min"].as_py()), from_us(times["max"].as_py())
    return Gap(block.source, block.epoch, block.first_seq, block.last_seq, block.lot, started_at, ended_at, reason)


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
    columns = [name for _, name, *_ in connection.execute("pragma table_info(item)")]
    if "loose" not in columns:
        connection.executescript(f"begin immediate; {_UPGRADE} commit;")
    if "observations" not in columns:
        _count_observations(connection)
    connection.execute(_INDEX)
    return connection


def _count_observations(connection: sqlite3.Connection) -> None:
    """The column that a file of an earlier version lacks, from the blocks themselves."""
    with connection:
        connection.execute("begin immediate")
        connection.execute("alter table item add column observations integer not null default 0")
        for (id_,) in connection.execute("select id from item where length(body) > 0").fetchall():
            row = connection.execute("select id, head, digests, body from item where id = ?", (id_,)).fetchone()
            counted = _observations(entry_of(*row).item)
            connection.execute("update item set observations = ? where id = ?", (counted, id_))


def _some(cursor: sqlite3.Cursor, size: int) -> list[Spooled]:
    found: list[Spooled] = []
    total = 0
    for id_, head, digests, body in cursor:
        found.append(entry_of(id_, head, digests, body))
        total += len(body)
        if total >= size:
            break
    cursor.close()
    return found


def _row(item: Item) -> _Row:
    """The columns of an item: head, digests, body, source, loose, observations."""
    loose = isinstance(item, Block) and item.kind is Kind.SAMPLES and not item.lot
    return (*packed(item), _source(item), loose, _observations(item))


def _source(item: Item) -> str:
    return "" if isinstance(item, Axis) else item.source


def _observations(item: Item) -> int:
    return item.count if isinstance(item, Block) else 0


def _waiting(entry: Spooled) -> Waiting:
    return Waiting(1, _observations(entry.item), len(entry.body))
