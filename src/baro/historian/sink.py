"""Where the gateway delivers: PostgreSQL, without Django.

Every write is durable when it returns and idempotent: what is stored already falls away when it says
the same, and raises `ContentConflict` when it does not. A `StoreUnavailable` is for the caller to repeat; the
sink connects again by itself.
"""

from __future__ import annotations

import hashlib
import json
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from baro.database.context import Context
from baro.edge.blocks import Axis, Block, Event, Gap, JournalPart, Kind
from baro.edge.state import from_us
from baro.historian import journal
from baro.historian.errors import ContentConflict, Malformed, Overlap, Refused, StoreUnavailable
from baro.historian.ranges import as_text, runs

BLOCKS = "baro_blocks"
"""Channel of committed blocks: source, kind, lot, epoch, first_seq, last_seq, company."""

EVENTS = "baro_events"
"""Channel of committed gaps and events: type, source, kind, lot, at, company."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_INSERT = """
    INSERT INTO historian_block (company_id, source, kind, epoch, first_seq, last_seq, seqs, count, lot, axis,
                                 time_min, time_max, digest, body_digest, digests, body)
    SELECT %s, source, kind, epoch, first_seq, last_seq, seqs::int8multirange, count, lot, axis, time_min, time_max,
      digest, body_digest, digests, body
    FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::text[], %b::int[], %b::text[],
                %b::text[], %b::timestamptz[], %b::timestamptz[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[])
      u (source, kind, epoch, first_seq, last_seq, seqs, count, lot, axis, time_min, time_max, digest, body_digest,
         digests, body)
    ON CONFLICT (company_id, source, epoch, first_seq) DO NOTHING
    RETURNING source, epoch, first_seq
"""
_TELL = "SELECT pg_notify(%s, fact) FROM unnest(%b::text[]) fact"


class PostgresSink:
    """Writes what one company's gateway collected. May be used from several threads.

    conninfo: a connection string that acts as ``baro_app`` (`baro.database.roles.conninfo`). actor: the program that
    the trail names.
    """

    def __init__(self, conninfo: str, company_id: UUID, actor: str = "baro gateway") -> None:
        self.actor = actor
        self.conninfo = conninfo
        self.company_id = company_id
        # a cut network must show as an error; who sets these in the connection string is heard
        self._patience = {"connect_timeout": 10, "tcp_user_timeout": 20_000}
        for name in conninfo_to_dict(conninfo).keys() & self._patience.keys():
            del self._patience[name]
        self._connection: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def write_block(self, block: Block, digests: list[bytes], body: bytes) -> None:
        """Store one block.

        Raises Malformed, ContentConflict, Overlap or Refused when it can never be stored as it is, and
        StoreUnavailable when it should be written again.
        """
        self.write_blocks([(block, digests, body)])

    def write_blocks(self, blocks: Sequence[tuple[Block, list[bytes], bytes]]) -> None:
        """Store several blocks in one transaction: all or none. Raises what `write_block` raises."""
        if not blocks:
            return
        rows = [_row(*block) for block in blocks]
        with self._transaction() as cursor:
            # writers of overlapping blocks would otherwise wait for each other until the server cuts one off
            for source in sorted({block.source for block, _, _ in blocks}):
                cursor.execute(_LOCK, [f"baro.write/{self.company_id}/{source}"])
            cursor.execute(_INSERT, [self.company_id, *(list(column) for column in zip(*rows, strict=True))])
            new = set(cursor.fetchall())
            told = [self._fact(block) for block, _, _ in blocks if _key(block) in new]
            if told:
                cursor.execute(_TELL, [BLOCKS, told])
            if len(new) < len(blocks):
                for (block, _, _), row in zip(blocks, rows, strict=True):
                    self._compare(cursor, block, row[_DIGEST])

    def write_axis(self, axis: Axis) -> None:
        """Store a spectral axis; its digest is its key, so it can only ever be the same one."""
        with self._transaction() as cursor:
            cursor.execute(
                'INSERT INTO historian_axis (company_id, digest, unit, "values") VALUES (%s, %s, %s, %s)'
                " ON CONFLICT (company_id, digest) DO NOTHING",
                [self.company_id, axis.digest, axis.unit, list(axis.values)],
            )

    def write_gap(self, gap: Gap) -> None:
        """Store a gap as it stands now. (source, epoch, first_seq) names it; writing one again with
        other content supersedes it, and the earlier row stays."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO historian_gap (company_id, source, epoch, first_seq, last_seq, lot, started_at,"
                " ended_at, reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id",
                [
                    self.company_id,
                    gap.source,
                    gap.epoch,
                    gap.first_seq,
                    gap.last_seq,
                    gap.lot,
                    gap.started_at,
                    gap.ended_at,
                    gap.reason.value,
                ],
            )
            if cursor.fetchone():
                self._tell(cursor, gap.source, gap.reason, gap.started_at, type="gap", lot=gap.lot)

    def write_event(self, event: Event) -> None:
        """Store an event; the very same one again falls away."""
        with self._transaction() as cursor:
            cursor.execute(
                "INSERT INTO historian_event (company_id, source, kind, at, detail, payload, digest)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (company_id, digest) DO NOTHING RETURNING id",
                [
                    self.company_id,
                    event.source,
                    event.kind.value,
                    event.at,
                    event.detail,
                    event.payload,
                    _event_digest(event),
                ],
            )
            if cursor.fetchone():
                self._tell(cursor, event.source, event.kind, event.at, type="event")

    def write_journal(self, part: JournalPart) -> None:
        """Store entries of an agent's journal, all or none; those that are stored already fall away.

        Raises Malformed, ContentConflict or ChainBroken when they can never be stored, StoreUnavailable when they
        should be written again.
        """
        with self._transaction() as cursor:
            journal.write(cursor, self.company_id, part)

    def last_seq(self, source: str) -> tuple[int, int] | None:
        """The greatest (epoch, seq) stored of `source`, None when there is nothing of it."""
        with self._transaction() as cursor:
            cursor.execute(
                "SELECT epoch, last_seq FROM historian_block WHERE company_id = %s AND source = %s"
                " ORDER BY epoch DESC, last_seq DESC LIMIT 1",
                [self.company_id, source],
            )
            row = cursor.fetchone()
        return (row[0], row[1]) if row else None

    def close(self) -> None:
        """Give the connection back. The next write opens another."""
        with self._lock:
            self._disconnect()

    def _fact(self, block: Block) -> str:
        facts = {
            "source": block.source,
            "kind": block.kind.value,
            "lot": block.lot,
            "epoch": block.epoch,
            "first_seq": block.first_seq,
            "last_seq": block.last_seq,
            "company": str(self.company_id),
        }
        return json.dumps(facts, ensure_ascii=False)

    def _compare(self, cursor: psycopg.Cursor[Any], block: Block, digest: bytes) -> None:
        """Raises ContentConflict when something else is stored under the key of `block`."""
        stored = cursor.execute(
            "SELECT kind, count, lot, digest FROM historian_block"
            " WHERE company_id = %s AND source = %s AND epoch = %s AND first_seq = %s",
            [self.company_id, block.source, block.epoch, block.first_seq],
        ).fetchone()
        if stored != (block.kind.value, block.count, block.lot, digest):
            found = stored[3].hex() if stored else None
            raise ContentConflict(**_names(block), stored=found, offered=digest.hex())

    def _tell(self, cursor: psycopg.Cursor[Any], source: str, kind: str, at: datetime, **facts: str) -> None:
        facts |= {"source": source, "kind": str(kind), "at": at.isoformat(), "company": str(self.company_id)}
        cursor.execute("SELECT pg_notify(%s, %s)", [EVENTS, json.dumps(facts, ensure_ascii=False)])

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Cursor[Any]]:
        """One durable transaction in the company's context, the database's errors as ours."""
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(make_conninfo(self.conninfo, **self._patience), autocommit=True)
                with self._connection.transaction(), self._connection.cursor() as cursor:
                    Context(self.company_id, None, self.actor, "reported by the equipment").apply(cursor)
                    yield cursor
            except psycopg.errors.ExclusionViolation as error:
                raise Overlap(detail=_detail(error)) from error
            except (psycopg.DataError, psycopg.IntegrityError) as error:
                raise Refused(detail=_detail(error)) from error
            except psycopg.Error as error:
                # also a missing table or right: it is put in order by people, and data must wait for them
                self._disconnect()
                raise StoreUnavailable(detail=_detail(error)) from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_DIGEST = 11


def _key(block: Block) -> tuple[str, int, int]:
    return block.source, block.epoch, block.first_seq


def _row(block: Block, digests: list[bytes], body: bytes) -> list[Any]:
    """The values of a block's row but the company, in the order of `_INSERT`. Raises Malformed."""
    if block.count == 0:
        raise Malformed(source=block.source, epoch=block.epoch, count=0)
    seq = block.batch.column("seq").to_numpy(zero_copy_only=False)
    expected = block.count if block.kind is Kind.SPECTRA else 1
    if np.any(seq[1:] <= seq[:-1]) or len(digests) != expected or any(len(d) != 32 for d in digests):
        raise Malformed(**_names(block), count=block.count, digests=len(digests))
    first, last = int(seq[0]), int(seq[-1])
    held = f"{{[{first},{last}]}}" if last - first == block.count - 1 else as_text(runs(seq))
    joined = b"".join(digests)
    time = block.batch.column("time").view(pa.int64()).to_numpy(zero_copy_only=False)
    try:
        time_min, time_max = from_us(int(time.min())), from_us(int(time.max()))
    except OverflowError as error:
        raise Malformed(**_names(block), detail=f"time: {error}") from error
    return [
        block.source,
        block.kind.value,
        block.epoch,
        first,
        last,
        held,
        block.count,
        block.lot,
        block.axis,
        time_min,
        time_max,
        hashlib.sha256(joined).digest(),
        hashlib.sha256(body).digest(),
        joined,
        body,
    ]


def _names(block: Block) -> dict[str, Any]:
    return {
        "source": block.source,
        "epoch": block.epoch,
        "first_seq": block.first_seq,
        "last_seq": block.last_seq,
        "lot": block.lot,
    }


def _event_digest(event: Event) -> bytes:
    """SHA-256 over the event's fields, length-prefixed: its key."""
    state = hashlib.sha256()
    for field in (event.source, event.kind.value, event.at.isoformat(), event.detail):
        raw = field.encode()
        state.update(struct.pack("<I", len(raw)) + raw)
    state.update(event.payload)
    return state.digest()


def _detail(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error).strip() or type(error).__name__
