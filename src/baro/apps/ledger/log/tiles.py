"""The log as static files in the layout of C2SP tlog-tiles, for whoever wants to keep or serve a copy.

``checkpoint``; ``tile/<level>/<N>``: up to 256 hashes of a level; ``tile/entries/<N>``: the entries, each after its
length (2 bytes, big-endian). A tile that is not full has ``.p/<width>`` at its end. What is written once is written
for ever, so doing it again adds only what is new. An entry that is longer than a length can say is written empty
and named: it proves nothing less, since the hash is in the tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connections, transaction

from baro.apps.ledger.keys import write_whole
from baro.apps.ledger.log.errors import LogEmpty
from baro.apps.ledger.log.nodes import TILE
from baro.apps.ledger.log.queries import full_note, newest_checkpoint

WIDTH = 1 << TILE
LONGEST_ENTRY = 0xFFFF


def export(folder: Path, *, entries: bool = True, using: str = "owner") -> tuple[int, list[int]]:
    """Write the log as it is at its newest checkpoint. (size, indexes of entries too long for a bundle).

    entries: with the entries themselves, of all companies; they can be read as owner only. Raises LogEmpty.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        checkpoint = newest_checkpoint(using)
        if checkpoint is None:
            raise LogEmpty
        too_long = _bundles(cursor, folder, checkpoint.size) if entries else []
        level, count = 0, checkpoint.size
        while count:
            for tile, width in _tiles(count):
                path = folder / tile_path(str(level), tile, width)
                if not path.exists():
                    _write(path, b"".join(_hashes(cursor, level, tile, width)))
            level, count = level + 1, count >> TILE
        # last: whoever reads it finds everything that it speaks of
        write_whole(folder / "checkpoint", full_note(checkpoint))
    return checkpoint.size, too_long


def tile_path(kind: str, tile: int, width: int = WIDTH) -> str:
    """Where a tile lies: its number in groups of three digits, all but the last with an ``x`` before them."""
    digits = f"{tile % 1000:03d}"
    while tile := tile // 1000:
        digits = f"x{tile % 1000:03d}/{digits}"
    return f"tile/{kind}/{digits}" + ("" if width == WIDTH else f".p/{width}")


def _tiles(count: int) -> Iterator[tuple[int, int]]:
    """(number, width) of the tiles that hold `count` hashes."""
    for tile in range(0, count, WIDTH):
        yield tile // WIDTH, min(WIDTH, count - tile)


def _hashes(cursor: Any, level: int, tile: int, width: int) -> list[bytes]:
    first = tile * WIDTH
    cursor.execute(
        "SELECT hash FROM ledger_node WHERE level = %s AND index >= %s AND index < %s ORDER BY index",
        [level, first, first + width],
    )
    return [bytes(value) for (value,) in cursor.fetchall()]


def _bundles(cursor: Any, folder: Path, size: int) -> list[int]:
    too_long = []
    for tile, width in _tiles(size):
        path = folder / tile_path("entries", tile, width)
        if path.exists():
            continue
        cursor.execute(
            "SELECT n.index, convert_to(ledger_leaf(e), 'UTF8') FROM ledger_node n"
            " JOIN ledger_auditentry e ON e.id = n.entry_id"
            " WHERE n.level = 0 AND n.index >= %s AND n.index < %s ORDER BY n.index",
            [tile * WIDTH, tile * WIDTH + width],
        )
        parts = []
        for index, content in cursor.fetchall():
            data = bytes(content)
            if len(data) > LONGEST_ENTRY:
                too_long.append(index)
                data = b""
            parts.append(len(data).to_bytes(2, "big") + data)
        _write(path, b"".join(parts))
    return too_long


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
