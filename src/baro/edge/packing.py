"""Items as text and bytes, and back: how the spool keeps them, and how they go through a data diode."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from baro.edge.assembler import Item
from baro.edge.blocks import Axis, Block, Event, EventKind, Gap, GapReason, JournalPart, Kind
from baro.edge.steps import batch_from_bytes

DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Spooled:
    """One item on its way to the sink. `digests` are empty unless it is a block, `body` unless it is one or a part of a
    journal."""

    id: int
    item: Item
    digests: list[bytes]
    body: bytes


def packed(item: Item) -> tuple[str, bytes, bytes]:
    """An item as text and bytes: head, digests (of an event its payload), body."""
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


def unpacked(head: str, digests: bytes, body: bytes) -> Item:
    """The inverse of `packed`. Raises ValueError, KeyError or TypeError for what it cannot have made."""
    return entry_of(0, head, digests, body).item


def entry_of(id_: int, text: str, digests: bytes, body: bytes) -> Spooled:
    """What `packed` packed, with the number that the spool gave it."""
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
