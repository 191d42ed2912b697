"""Reading the log's hashes from the database, few queries at a time."""

from __future__ import annotations

from collections.abc import Iterable

from baro.apps.ledger.merkle.tree import complete_parts, complete_root, range_hash
from baro.database.context import Executes

TILE = 8
"""Levels of the tree between two stored levels: a stored node stands for 2^8 of the stored level below."""

Tile = tuple[int, int, int]
"""(stored level, first index, end index)."""


class Nodes:
    """Hashes of subtrees, made of the stored nodes. cursor: of Django or psycopg."""

    def __init__(self, cursor: Executes) -> None:
        self._cursor = cursor
        self._held: dict[tuple[int, int], bytes] = {}

    def hashes(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """The hash of each of these ranges of leaves (see `merkle.range_hash`). Raises KeyError for nodes not there."""
        ranges = list(ranges)
        self._load(tile_of(*part) for first, end in ranges for part in complete_parts(first, end))
        return [range_hash(first, end, self._node) for first, end in ranges]

    def stored(self, level: int, first: int, end: int) -> list[bytes]:
        """Stored nodes first … end - 1 of a stored level. Raises KeyError."""
        self._load([(level, first, end)])
        return [self._held[level, index] for index in range(first, end)]

    def forget(self) -> None:
        """Give the memory back."""
        self._held.clear()

    def _node(self, level: int, index: int) -> bytes:
        stored, first, end = tile_of(level, index)
        return complete_root([self._held[stored, at] for at in range(first, end)])

    def _load(self, tiles: Iterable[Tile]) -> None:
        wanted = [(level, first, end) for level, first, end in tiles if (level, first) not in self._held]
        if not wanted:
            return
        # one short range of the index after the other, whatever the statistics of the table say
        self._cursor.execute(
            "SELECT w.level, n.index, n.hash"
            " FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) w (level, first, last)"
            " CROSS JOIN LATERAL (SELECT k.index, k.hash FROM ledger_node k WHERE k.level = w.level"
            " AND k.index >= w.first AND k.index < w.last ORDER BY k.index LIMIT w.last - w.first) n",
            [list(column) for column in zip(*set(wanted), strict=True)],
        )
        for level, index, value in self._cursor.fetchall():  # type: ignore[attr-defined]
            self._held[level, index] = bytes(value)


def tile_of(level: int, index: int) -> Tile:
    """The stored nodes below a complete subtree."""
    stored, up = divmod(level, TILE)
    return stored, index << up, (index + 1) << up
