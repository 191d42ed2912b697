"""Merkle trees over many entries, in memory or as a frontier that grows in constant memory.

A leaf is SHA-256(0x00 || data), a node SHA-256(0x01 || left || right), and a tree of n leaves splits at the
largest power of two below n (RFC 9162 section 2.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()

NodeSource = Callable[[int, int], bytes]
"""(level, index) → hash of the complete subtree of leaves index * 2^level … (index + 1) * 2^level - 1."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of an entry, 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an interior node, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each entry."""
    return [sha256(b"\x00" + data).digest() for data in entries]


def parents(children: Sequence[bytes]) -> list[bytes]:
    """The nodes above an even number of children, in order."""
    joined = b"".join(children)
    return [sha256(b"\x01" + joined[at : at + 64]).digest() for at in range(0, len(joined) - 63, 64)]


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root over 2^k hashes of complete subtrees of one level."""
    while len(hashes) > 1:
        hashes = parents(hashes)
    return hashes[0]


def complete_parts(first: int, end: int) -> list[tuple[int, int]]:
    """Leaves first … end - 1 as (level, index) of complete subtrees, from left to right.

    `first` has to be a multiple of the largest power of two below or equal to end - first, as it is for every
    subtree of RFC 9162.
    """
    parts = []
    while first < end:
        level = (end - first).bit_length() - 1
        parts.append((level, first >> level))
        first += 1 << level
    return parts


def range_hash(first: int, end: int, nodes: NodeSource) -> bytes:
    """The hash of the subtree of leaves first … end - 1 (see `complete_parts`)."""
    parts = [nodes(level, index) for level, index in complete_parts(first, end)]
    if not parts:
        return EMPTY_ROOT
    top = parts.pop()
    while parts:
        top = node_hash(parts.pop(), top)
    return top


class Tree:
    """A whole tree in memory; level by level, complete subtrees only.

    levels[k][i] is the hash of leaves i * 2^k … (i + 1) * 2^k - 1.
    """

    def __init__(self, entries: Iterable[bytes] = ()) -> None:
        self.levels: list[list[bytes]] = [[]]
        self.extend(entries)

    def __len__(self) -> int:
        return len(self.levels[0])

    def append(self, data: bytes) -> int:
        """Add an entry; returns its index."""
        self.extend_hashes([leaf_hash(data)])
        return len(self) - 1

    def extend(self, entries: Iterable[bytes]) -> None:
        """Add entries, a level at a time: the cost is little more than that of hashing them."""
        self.extend_hashes(leaf_hashes(entries))

    def extend_hashes(self, hashes: Sequence[bytes]) -> None:
        """Add entries of which the leaf hashes are known."""
        self.levels[0].extend(hashes)
        level = 0
        while len(self.levels[level]) > 1:
            if level + 1 == len(self.levels):
                self.levels.append([])
            below, above = self.levels[level], self.levels[level + 1]
            done = len(above)
            if len(below) // 2 == done:
                return
            above.extend(parents(below[2 * done : len(below) & ~1]))
            level += 1

    def node(self, level: int, index: int) -> bytes:
        """The hash of a complete subtree. Raises IndexError."""
        return self.levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """The root over the first `size` entries (all, if not given). Raises IndexError beyond the end."""
        return range_hash(0, len(self) if size is None else size, self.node)


class Frontier:
    """The right edge of a tree: enough to append and to tell the root, in memory of log2(size) hashes.

    parts: (level, hash) of the complete subtrees that the tree consists of, from left to right.
    """

    def __init__(self, size: int = 0, parts: Sequence[bytes] = ()) -> None:
        levels = [level for level, _ in complete_parts(0, size)]
        if len(levels) != len(parts):
            raise ValueError(f"a tree of {size} leaves has {len(levels)} complete subtrees, not {len(parts)}")
        self.size = size
        self.parts: list[tuple[int, bytes]] = list(zip(levels, parts, strict=True))

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash."""
        self._add(0, leaf)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add leaf hashes, whole complete subtrees at a time."""
        at = 0
        while at < len(leaves):
            # the largest complete subtree that begins at this size and is there already
            level = (len(leaves) - at).bit_length() - 1
            if self.size:
                level = min(level, (self.size & -self.size).bit_length() - 1)
            self._add(level, complete_root(leaves[at : at + (1 << level)]))
            at += 1 << level

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self.parts:
            return EMPTY_ROOT
        top = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            top = node_hash(left, top)
        return top

    def _add(self, level: int, top: bytes) -> None:
        self.size += 1 << level
        while self.parts and self.parts[-1][0] == level:
            top = node_hash(self.parts.pop()[1], top)
            level += 1
        self.parts.append((level, top))
