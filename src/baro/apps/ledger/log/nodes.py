"""Reading the log's hashes from the database, few queries at a time."""

from __future__ import annotations

from collections.abc import Iterable

from baro.apps.ledger.merkle.tree import complete_parts, complete_root, range_hash
from baro.database.context import Executes

TILE = 8
"""Levels of the tree between two stored levels: a stored node stands for 2^8 of the stored level below."""
HASH = 32

Tile = tuple[int, int, int]
"""(stored level, first index, end index)."""


class Nodes:
    """Hashes of subtrees, made of the stored nodes. cursor: of Django or psycopg."""

    def __init__(self, cursor: Executes) -> None:
        self._cursor = cursor
        self._held: dict[Tile, list[bytes]] = {}

    def hashes(self, ranges: Iterable[tuple[int, int]]) -> list[bytes]:
        """The hash of each of these ranges of leaves (see `merkle.range_hash`). Raises KeyError for nodes not there."""
        ranges = list(ranges)
        wanted = {tile_of(*part) for first, end in ranges for part in complete_parts(first, end)}
        self._held |= self._read(wanted - self._held.keys())
        return [range_hash(first, end, self._node) for first, end in ranges]

    def roots(self, level: int, first: int, end: int) -> list[bytes]:
        """The hash over each full tile first … end - 1 of a stored level. Raises KeyError for nodes not there."""
        wanted = [(level, index << TILE, (index + 1) << TILE) for index in range(first, end)]
        found = self._read(wanted)
        return [complete_root(found[tile]) for tile in wanted]

    def _node(self, level: int, index: int) -> bytes:
        return complete_root(self._held[tile_of(level, index)])

    def _read(self, tiles: Iterable[Tile]) -> dict[Tile, list[bytes]]:
        """The stored nodes of each of these tiles; one that is not there as a whole is left out."""
        if not (wanted := sorted(tiles)):
            return {}
        # one short range of the index after the other, whatever the statistics of the table say; and one value a range,
        # since a row for each hash would cost more than all the rest of a proof
        self._cursor.execute(
            "SELECT w.level, w.first, w.last, (SELECT string_agg(n.hash, '' ORDER BY n.index) FROM"
            " (SELECT k.index, k.hash FROM ledger_node k WHERE k.level = w.level"
            " AND k.index >= w.first AND k.index < w.last ORDER BY k.index LIMIT w.last - w.first) n)"
            " FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) w (level, first, last)",
            [list(column) for column in zip(*wanted, strict=True)],
        )
        found = {}
        for level, first, end, joined in self._cursor.fetchall():  # type: ignore[attr-defined]
            if joined is not None and len(joined) == HASH * (end - first):
                joined = bytes(joined)
                found[level, first, end] = [joined[at : at + HASH] for at in range(0, len(joined), HASH)]
        return found


def tile_of(level: int, index: int) -> Tile:
    """The stored nodes below a complete subtree."""
    stored, up = divmod(level, TILE)
    return stored, index << up, (index + 1) << up
