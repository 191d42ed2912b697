"""Inclusion and consistency proofs: which hashes they consist of, and what they show (RFC 9162 section 2.1.3, 2.1.4).

Verification is strict: what the algorithm of the RFC does not define (an index beyond the tree, an empty or a
larger first tree, hashes of a wrong length, a proof that is too long) is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Sequence

from baro.apps.ledger.merkle.errors import ProofError
from baro.apps.ledger.merkle.tree import EMPTY_ROOT, NodeSource, node_hash, range_hash

LARGEST = 2**64
"""Sizes are below this, so that no made-up number costs time."""

Range = tuple[int, int]
"""Leaves first … end - 1."""


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose hashes prove that leaf `index` is in a tree of `size`, from the leaf upwards.

    Raises ProofError for an index that is not in the tree.
    """
    _check_index(index, size)
    ranges = []
    first, end = 0, size
    while end - first > 1:
        middle = first + _split(end - first)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first = middle
    return ranges[::-1]


def consistency_ranges(size1: int, size2: int) -> list[Range]:
    """The subtrees whose hashes prove that a tree of `size2` begins with that of `size1`, in the order of the RFC.

    Raises ProofError unless 0 < size1 <= size2.
    """
    _check_sizes(size1, size2)
    ranges = []
    first, end, whole = 0, size2, True
    while size1 != end:
        middle = first + _split(end - first)
        if size1 <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((first, middle))
            first, whole = middle, False
    if not whole:
        ranges.append((first, end))
    return ranges[::-1]


def inclusion_proof(index: int, size: int, nodes: NodeSource) -> list[bytes]:
    """The hashes of `inclusion_ranges`."""
    return [range_hash(first, end, nodes) for first, end in inclusion_ranges(index, size)]


def consistency_proof(size1: int, size2: int, nodes: NodeSource) -> list[bytes]:
    """The hashes of `consistency_ranges`."""
    return [range_hash(first, end, nodes) for first, end in consistency_ranges(size1, size2)]


def verify_inclusion(index: int, size: int, leaf_hash: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Is the entry with `leaf_hash` the one at `index` of the tree with this size and root? Raises ProofError."""
    _check_index(index, size)
    _check_hashes(leaf_hash, root, *proof)
    fn, sn, top = index, size - 1, leaf_hash
    for step in proof:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            top = node_hash(step, top)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            top = node_hash(top, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof is too short")
    if top != root:
        raise ProofError("the proof leads to another root")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Does the tree of `size2` with `root2` begin with that of `size1` with `root1`? Raises ProofError.

    From an empty tree nothing follows, so nothing is taken for proven by it: only an empty tree is consistent
    with itself.
    """
    _check_hashes(root1, root2, *proof)
    if _is_size(size1) and _is_size(size2) and size1 == size2:
        if proof:
            raise ProofError("trees of one size need no proof, and one is given")
        if root1 != root2 or (size1 == 0 and root1 != EMPTY_ROOT):
            raise ProofError("trees of one size have different roots")
        return
    _check_sizes(size1, size2)
    if not proof:
        raise ProofError("the proof is empty")
    steps = list(proof) if size1 & (size1 - 1) else [root1, *proof]
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if sn == 0:
            raise ProofError("the proof is too long")
        if fn & 1 or fn == sn:
            first, second = node_hash(step, first), node_hash(step, second)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            second = node_hash(second, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError("the proof is too short")
    if first != root1:
        raise ProofError("the proof leads to another first root")
    if second != root2:
        raise ProofError("the proof leads to another second root")


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _check_index(index: int, size: int) -> None:
    if not (_is_size(index) and _is_size(size)) or index >= size:
        raise ProofError(f"there is no entry {index} in a log of {size}")


def _check_sizes(size1: int, size2: int) -> None:
    if not (_is_size(size1) and _is_size(size2)) or size1 > size2:
        raise ProofError(f"a log of {size2} cannot follow one of {size1}")
    if size1 == 0:
        raise ProofError("an empty log proves nothing about a later one")


def _check_hashes(*hashes: bytes) -> None:
    if any(not isinstance(value, bytes) or len(value) != 32 for value in hashes):
        raise ProofError("a hash is not 32 bytes long")
