"""Whether a stored checkpoint is one: before a page shows it as what the log said of itself."""

from __future__ import annotations

from enum import StrEnum

from django.db import connections

from baro.apps.ledger.keys import log_key
from baro.apps.ledger.log.nodes import Nodes
from baro.apps.ledger.log.queries import full_note, log_size
from baro.apps.ledger.merkle import NoteError, Verifier, open_note
from baro.apps.ledger.models import Checkpoint


class Fault(StrEnum):
    """What is wrong with a checkpoint."""

    SIGNATURE = "signature"
    """Its text is not signed by the log's key, or is no checkpoint of this log."""
    ROW = "row"
    """Size, root or key of its row are not those of the signed text."""
    LONGER = "longer"
    """It is of more entries than the log holds."""
    ROOT = "root"
    """Its root is not that of the stored hashes."""


def faults_of(checkpoint: Checkpoint, using: str = "default") -> list[Fault]:
    """What is wrong with a stored checkpoint, as far as can be told without reading the whole log.

    The key is the one pinned on this machine; where none is, that of the row, which shows a changed text only.
    """
    key, root = log_key() or checkpoint.key, bytes(checkpoint.root)
    faults = []
    try:
        signed = open_note(full_note(checkpoint), [key], Verifier.parse(key).name)
    except NoteError:
        faults.append(Fault.SIGNATURE)
    else:
        if (signed.size, signed.root, key) != (checkpoint.size, root, checkpoint.key):
            faults.append(Fault.ROW)
    if checkpoint.size > log_size(using):
        return [*faults, Fault.LONGER]
    try:
        with connections[using].cursor() as cursor:
            same = Nodes(cursor).hashes([(0, checkpoint.size)])[0] == root
    except KeyError:  # hashes of the log are missing
        same = False
    return faults if same else [*faults, Fault.ROOT]
