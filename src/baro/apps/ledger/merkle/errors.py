"""What can be wrong with a proof or with a signed note."""

from __future__ import annotations


class ProofError(ValueError):
    """The proof does not show what it is said to show."""


class NoteError(ProofError):
    """The note is malformed, or not signed by a key that is trusted."""
