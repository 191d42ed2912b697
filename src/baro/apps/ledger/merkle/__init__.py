"""The Merkle log's mathematics: trees, proofs, signed notes. Pure Python; knows neither Django nor the database.

Hashing and proofs follow RFC 9162 (the same tree as RFC 6962), checkpoints and their signatures the C2SP
specifications tlog-checkpoint, signed-note and tlog-cosignature.
"""

from baro.apps.ledger.merkle.errors import NoteError, ProofError
from baro.apps.ledger.merkle.note import Checkpoint, Signer, Verifier, checkpoint_text, open_note
from baro.apps.ledger.merkle.proofs import (
    consistency_ranges,
    inclusion_ranges,
    verify_consistency,
    verify_inclusion,
)
from baro.apps.ledger.merkle.tree import EMPTY_ROOT, Frontier, Tree, leaf_hash, leaf_hashes, node_hash

__all__ = [
    "EMPTY_ROOT",
    "Checkpoint",
    "Frontier",
    "NoteError",
    "ProofError",
    "Signer",
    "Tree",
    "Verifier",
    "checkpoint_text",
    "consistency_ranges",
    "inclusion_ranges",
    "leaf_hash",
    "leaf_hashes",
    "node_hash",
    "open_note",
    "verify_consistency",
    "verify_inclusion",
]
