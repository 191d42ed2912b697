"""The Merkle log over the audit trail: entries are taken in, nodes and checkpoints kept, proofs made.

Every entry of every company's trail is a leaf of one log. See docs/explanation/log.md.
"""

from baro.apps.ledger.keys import log_key, log_signer
from baro.apps.ledger.log.errors import EntryUnknown, LogEmpty, LogShorter
from baro.apps.ledger.log.queries import (
    checkpoint_qr,
    consistency_proof,
    inclusion_proof,
    index_of,
    leaf_text,
    log_size,
    newest_checkpoint,
    pending,
    seal_text,
)
from baro.apps.ledger.log.sequencer import integrate

__all__ = [
    "EntryUnknown",
    "LogEmpty",
    "LogShorter",
    "checkpoint_qr",
    "consistency_proof",
    "inclusion_proof",
    "index_of",
    "integrate",
    "leaf_text",
    "log_key",
    "log_signer",
    "log_size",
    "newest_checkpoint",
    "pending",
    "seal_text",
]
