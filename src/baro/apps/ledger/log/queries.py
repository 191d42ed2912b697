"""Asking the log: its size, its newest checkpoint, and proofs."""

from __future__ import annotations

import segno
from django.db import connections
from django.db.models import Max

from baro.apps.ledger.log.errors import EntryUnknown, LogEmpty, LogShorter
from baro.apps.ledger.log.nodes import Nodes
from baro.apps.ledger.merkle import ProofError, checkpoint_text, consistency_ranges, inclusion_ranges
from baro.apps.ledger.merkle.note import split_note
from baro.apps.ledger.models import AuditEntry, Checkpoint, Node


def log_size(using: str = "default") -> int:
    """How many entries are in the log."""
    last = Node.objects.using(using).filter(level=0).aggregate(last=Max("index"))["last"]
    return 0 if last is None else last + 1


def pending(using: str = "default") -> int:
    """How many entries, of all companies, wait to be taken in."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT ledger_pending()")
        return int(cursor.fetchone()[0])


def newest_checkpoint(using: str = "default") -> Checkpoint | None:
    """The newest checkpoint; None before the first."""
    return Checkpoint.objects.using(using).order_by("-id").first()


def origin_of(checkpoint: Checkpoint) -> str:
    """The log that a stored checkpoint says it is of."""
    return split_note(checkpoint.note)[0].split("\n", 1)[0]


def full_note(checkpoint: Checkpoint) -> str:
    """The checkpoint's signed note with the signatures of the witnesses that have come since."""
    return checkpoint.note + "".join(each.line for each in checkpoint.cosignatures.order_by("id"))


def index_of(entry_id: int, using: str = "default") -> int:
    """Where an entry of the trail is in the log. Raises EntryUnknown."""
    found = Node.objects.using(using).filter(level=0, entry_id=entry_id).values_list("index", flat=True).first()
    if found is None:
        raise EntryUnknown(entry=entry_id)
    return found


def leaf_text(entry: AuditEntry | int, using: str = "default") -> str:
    """The text of an entry that is hashed into the log. Raises EntryUnknown for one that this company has not."""
    key = entry if isinstance(entry, int) else entry.pk
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT ledger_leaf(e) FROM ledger_auditentry e WHERE e.id = %s", [key])
        row = cursor.fetchone()
    if row is None:
        raise EntryUnknown(entry=key)
    return str(row[0])


def inclusion_proof(index: int, size: int, using: str = "default") -> list[bytes]:
    """The hashes that show that leaf `index` is in the log as it was at `size`. Raises LogShorter."""
    return _proof(inclusion_ranges, index, size, using)


def consistency_proof(size1: int, size2: int, using: str = "default") -> list[bytes]:
    """The hashes that show that the log at `size2` begins with the log at `size1`. Raises LogShorter."""
    return _proof(consistency_ranges, size1, size2, using)


def seal_text(using: str = "default") -> str:
    """The newest checkpoint in three lines (origin, size, root), short enough for a printed code. Raises LogEmpty."""
    checkpoint = newest_checkpoint(using)
    if checkpoint is None:
        raise LogEmpty
    return checkpoint_text(origin_of(checkpoint), checkpoint.size, bytes(checkpoint.root))


def checkpoint_qr(checkpoint: Checkpoint) -> str:
    """The three lines of a checkpoint as a QR code (SVG, to be set into a page)."""
    text = checkpoint_text(origin_of(checkpoint), checkpoint.size, bytes(checkpoint.root))
    return str(segno.make(text, error="m", micro=False).svg_inline(omitsize=True, dark="#15181b", light="#ffffff"))


def _proof(ranges: object, first: int, size: int, using: str) -> list[bytes]:
    held = log_size(using)
    try:
        wanted = ranges(first, size) if size <= held else None  # type: ignore[operator]
    except ProofError:
        wanted = None
    if wanted is None:
        raise LogShorter(size=held)
    with connections[using].cursor() as cursor:
        return Nodes(cursor).hashes(wanted)
