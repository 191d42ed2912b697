"""The sequencer: new entries become leaves, full tiles get their nodes, and a new size its checkpoint."""

from __future__ import annotations

from django.db import connections, transaction
from django.db.models import Max

from baro.apps.ledger.keys import log_signer
from baro.apps.ledger.log.nodes import TILE, Nodes
from baro.apps.ledger.merkle import Signer, checkpoint_text
from baro.apps.ledger.models import Checkpoint, Node

MOST = 5000
"""Entries that are taken in at once; the rest waits for the next step."""
TILES = 64
"""Tiles of 256 hashes that are read at once."""


def integrate(*, most: int = MOST, signer: Signer | None = None, using: str = "default") -> Checkpoint | None:
    """One step: take in what waits, add the nodes above, sign the new size. None when nothing has changed.

    Everything is in one transaction, and one sequencer works at a time, in whatever process.
    """
    signer = signer or log_signer()
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT ledger_sequence(%s)", [most])
        size = cursor.fetchone()[0]
        if not size or Checkpoint.objects.using(using).filter(size=size).exists():
            return None
        nodes = Nodes(cursor)
        _add_levels(nodes, size, using)
        root = nodes.hashes([(0, size)])[0]
        text = checkpoint_text(signer.name, size, root)
        return Checkpoint.objects.using(using).create(
            size=size, root=root, note=f"{text}\n{signer.sign(text)}", key=signer.verifier.vkey
        )


def _add_levels(nodes: Nodes, size: int, using: str) -> None:
    """The nodes of all tiles that have become full."""
    level = 1
    while complete := size >> (TILE * level):
        last = Node.objects.using(using).filter(level=level).aggregate(last=Max("index"))["last"]
        first = 0 if last is None else last + 1
        for start in range(first, complete, TILES):
            roots = nodes.roots(level - 1, start, min(start + TILES, complete))
            added = [Node(level=level, index=start + at, hash=root) for at, root in enumerate(roots)]
            Node.objects.using(using).bulk_create(added)
        level += 1
