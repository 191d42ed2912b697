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
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

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
from baro.edge.state import SourceState

DIGEST_BYTES = 32
_SCHEMA = """
create table if not exists item (
    id integer primary key autoincrement,
    head text not null,
    digests blob not null,
    body blob not null
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


@dataclass(frozen=True, slots=True)
class Spooled:
    """One item on its way to the sink. `digests` are empty unless it is a block, `body` unless it is one or a part of a
    journal."""

    id: int
    item: Item
    digests: list[bytes]
    body: bytes


class Spool:
    """The spool of one gateway.

    path: the file, made if absent. limit: most bytes of undelivered bodies. floor: bytes that stay free on the disk.
    `append` of blocks or of a journal beyond either raises SpoolFullError and takes nothing. Gaps, events and axes
    are taken as long as the disk has a byte: they are what tells of the loss. One thread appends while another
    delivers. Raises SpoolBrokenError when the file cannot be opened.
    """

    def __init__(self, path: Path, limit: int, floor: int = 0) -> None:
        self.path = path
        self.limit = limit
        self.floor = floor
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
        """Bytes that are free on the disk, for this program."""
        found = os.statvfs(self.path.parent)
        return found.f_bavail * found.f_frsize

    def states(self) -> dict[str, SourceState]:
        """The state of each source after the last append."""
        rows = self._writer.execute("select name, state from source").fetchall()
        return {name: SourceState.from_json(text) for name, text in rows}

    def append(self, items: Sequence[Item], states: Mapping[str, SourceState]) -> None:
        """Add all items and states or none. Raises SpoolFullError when there is no room for them,
        SpoolBrokenError when the file cannot be written."""
        rows = [_row(item) for item in items]
        size = sum(len(body) for _, _, body in rows)
        if size and self._used + size > self.limit:
            raise SpoolFullError(f"{self._used + size} of {self.limit} bytes")
        if size and self.floor and (free := self.free()) - size < self.floor:
            raise SpoolFullError(f"{free} bytes are free on the disk, {self.floor} have to stay free")
        try:
            with self._writer:
                self._writer.execute("begin immediate")
                self._writer.executemany("insert into item (head, digests, body) values (?, ?, ?)", rows)
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

    def peek(self, count: int = 32, size: int = 8_000_000) -> list[Spooled]:
        """The oldest items, at most `count` and about `size` bytes of them. Empty when all is delivered."""
        found: list[Spooled] = []
        total = 0
        cursor = self._reader.execute("select id, head, digests, body from item order by id limit ?", (count,))
        for id_, head, digests, body in cursor:
            found.append(_spooled(id_, head, digests, body))
            total += len(body)
            if total >= size:
                break
        cursor.close()
        return found

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
            connection.execute("update item set head = ?, digests = ?, body = ? where id = ?", (*_row(first), entry.id))
            connection.executemany("insert into item (head, digests, body) values (?, ?, ?)", rows)
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

    def _removed(self, entries: Sequence[Spooled], added: int = 0) -> None:
        with self._lock:
            self._count += added - len(entries)
            self._used -= sum(len(entry.body) for entry in entries)


def carried(entry: Spooled) -> bytes:
    """All that an item holds, as bytes: a block's Arrow IPC stream, the lines of a journal; of others their
    JSON, a line feed, and the payload of an event."""
    if entry.body:
        return entry.body
    head, payload, _ = _row(entry.item)
    return head.encode() + b"\n" + payload


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("pragma journal_mode = wal")
    connection.execute(f"pragma synchronous = {synchronous}")
    connection.executescript(_SCHEMA)
    return connection


def _row(item: Item) -> tuple[str, bytes, bytes]:
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
