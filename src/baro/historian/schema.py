"""The historian's tables as SQL, for the migrations and for whoever works without Django."""

from __future__ import annotations

from importlib.resources import files

from baro.database.guards import Guard

GUARD = Guard(audited=False, append_only=True)
"""Too many rows for a trail entry each: they are append-only by grant and covered by digests."""

BLOCKS = Guard(audited=False, append_only=True, check="segment_id IS NULL")
"""Nobody writes a block that is said to be in a file: only the owner's function says so, after it looked."""

RECORDED = Guard(append_only=True)
"""Few rows, and what everything else rests on: each is an entry of the trail, so digests of files are in the log."""

TABLES = (
    "historian_axis",
    "historian_block",
    "historian_gap",
    "historian_event",
    "historian_segment",
    "historian_journal",
    "historian_run",
    "historian_replaced",
    "historian_removed",
)


def scripts() -> list[str]:
    """The SQL of all migrations, in order."""
    folder = files("baro.historian").joinpath("migrations")
    found = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [f.read_text(encoding="utf-8") for f in found]
