"""Runs: what has come of a source since the last run, as one digest, so that the log covers blocks before they are
sealed.

A run is `number`, the blocks from `first_block` to `last_block` of its source, `count` of them, and `root`: SHA-256
over the root of the run before and the digests of its blocks in the order of their keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from baro.historian.catalogue import BlockRow
from baro.historian.findings import HOT, Finding, FindingKind
from baro.historian.session import Cursor

NOTHING = bytes(32)
"""What the first run has as the root of the one before."""
MOST = 100_000
"""Blocks of one run; the rest is for the next one."""

_SOURCES = """
    WITH RECURSIVE sources AS (
      (SELECT source FROM historian_block WHERE company_id = %(company)s ORDER BY source LIMIT 1)
      UNION ALL
      SELECT (SELECT b.source FROM historian_block b WHERE b.company_id = %(company)s AND b.source > s.source
              ORDER BY b.source LIMIT 1)
      FROM sources s WHERE s.source IS NOT NULL
    ) SELECT source FROM sources WHERE source IS NOT NULL
"""
_NEW = """
    SELECT min(b.id), max(b.id), count(*), sha256(%(previous)s::bytea || string_agg(b.digest, ''::bytea ORDER BY b.id))
    FROM (SELECT id, digest FROM historian_block WHERE company_id = %(company)s AND source = %(source)s
          AND id > %(after)s ORDER BY id LIMIT %(most)s) b
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A stored run; see the module's docstring."""

    source: str
    number: int
    first_block: int
    last_block: int
    count: int
    previous: bytes
    root: bytes


def extend(cursor: Cursor, company: UUID) -> int:
    """Add a run for every source of which blocks have come since its last one; how many there were."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.runs/{company}"])
    cursor.execute(_SOURCES, {"company": company})
    added = 0
    for (source,) in cursor.fetchall():
        cursor.execute(
            "SELECT number, last_block, root FROM historian_run WHERE company_id = %s AND source = %s"
            " ORDER BY number DESC LIMIT 1",
            [company, source],
        )
        number, after, previous = cursor.fetchone() or (0, 0, NOTHING)
        values = {"company": company, "source": source, "after": after, "previous": previous, "most": MOST}
        cursor.execute(_NEW, values)
        first, last, count, root = cursor.fetchone() or (None, None, 0, b"")
        if not count:
            continue
        cursor.execute(
            "INSERT INTO historian_run (company_id, source, number, first_block, last_block, count, previous, root)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [company, source, number + 1, first, last, count, previous, root],
        )
        added += 1
    return added


def check_runs(cursor: Cursor, company: UUID, lot: str | None, rows: Sequence[BlockRow]) -> list[Finding]:
    """Runs that these blocks are in and that no longer give their root: blocks, or their digests, were changed, put in
    or taken away after they were taken into the log."""
    spans: dict[str, tuple[int, int]] = {}
    for row in rows:
        first, last = spans.get(row.source, (row.id, row.id))
        spans[row.source] = min(first, row.id), max(last, row.id)
    findings = []
    for source, (first, last) in sorted(spans.items()):
        cursor.execute(
            "SELECT source, number, first_block, last_block, count, previous, root FROM historian_run"
            " WHERE company_id = %s AND source = %s AND last_block >= %s AND first_block <= %s ORDER BY number",
            [company, source, first, last],
        )
        runs = [Run(*row) for row in cursor.fetchall()]
        for run in runs:
            findings += _run(cursor, company, lot, run)
        for before, run in pairwise(runs):
            if run.number != before.number + 1 or run.previous != before.root:
                findings.append(_finding(lot, run, detail="does not go on from the run before"))
    return findings


def _run(cursor: Cursor, company: UUID, lot: str | None, run: Run) -> list[Finding]:
    cursor.execute(
        "SELECT digest FROM historian_block WHERE company_id = %s AND source = %s AND id BETWEEN %s AND %s ORDER BY id",
        [company, run.source, run.first_block, run.last_block],
    )
    digests = [bytes(digest) for (digest,) in cursor.fetchall()]
    root = hashlib.sha256(run.previous + b"".join(digests)).digest()
    if root == run.root and len(digests) == run.count:
        return []
    return [_finding(lot, run, root, f"{len(digests)} blocks, {run.count} were taken into the log")]


def _finding(lot: str | None, run: Run, root: bytes = b"", detail: str = "") -> Finding:
    where = f"run {run.number}, blocks {run.first_block}-{run.last_block}: {detail}"
    expected = run.root.hex()
    return Finding(FindingKind.RUN, HOT, lot or "", run.source, 0, 0, 0, (), expected, root.hex(), where)
