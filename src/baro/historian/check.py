"""Checking what is stored: every digest is computed again, from the values and from who they say they are.

Nothing that is found stops the check, and each `Finding` names what is damaged as closely as it can be known:
a spectrum by its tablet and sequence number, a block or a file that cannot be read by all that is in it.
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from pathlib import Path
from uuid import UUID

from baro.edge.blocks import Kind
from baro.historian.bodies import open_body, texts
from baro.historian.catalogue import BlockRow, Segment, find_axis, find_blocks, find_gaps, find_segments, read_bodies
from baro.historian.check_days import check_bytes, check_day
from baro.historian.check_sealed import check_segment, row_findings
from baro.historian.errors import Damaged
from baro.historian.findings import HOT, Copy, Finding, FindingKind, compare, of_block, sequence
from baro.historian.ranges import minus
from baro.historian.running import check_runs
from baro.historian.session import Cursor, Session

_AT_ONCE = 16  # hot blocks in memory
_NO_END = 2**63 - 1


def check(session: Session, data_dir: Path, lot: str | None = None) -> list[Finding]:
    """Check one lot, or everything there is: hot bodies, sealed files, the catalogue, axes, and continuity.

    What is intact gives an empty list.
    """
    with session.transaction() as cursor:
        rows = find_blocks(cursor, session.company_id, lot=lot)
        segments = find_segments(cursor, session.company_id, lot=lot, replaced=True)
        findings = _axes(cursor, session.company_id, rows) + _continuity(cursor, session.company_id, lot, rows)
        findings += check_runs(cursor, session.company_id, lot, rows)
    copies: dict[int, Copy] = {}
    for segment in segments:
        if segment.removed:
            continue
        if segment.replaced:
            findings += check_bytes(data_dir, segment)
            continue
        found, more = (check_day if segment.index_digest else check_segment)(session, data_dir, segment)
        findings += found
        copies |= more
    hot = [row for row in rows if row.hot]
    for at in range(0, len(hot), _AT_ONCE):
        with session.transaction() as cursor:
            bodies = read_bodies(cursor, [row.id for row in hot[at : at + _AT_ONCE]])
        for row in hot[at : at + _AT_ONCE]:
            if row.id in bodies:  # if not, it was dropped a moment ago
                findings += _hot(row, *bodies[row.id], copies.get(row.id))
    return findings + _places(rows, [segment for segment in segments if not segment.replaced])


def _places(rows: list[BlockRow], current: list[Segment]) -> list[Finding]:
    """Blocks that are nowhere, or not in the file that their row names. Files of a day list no blocks: `check_day`
    counts theirs."""
    holder = {block: segment.id for segment in current for block in segment.blocks}
    listing = {segment.id for segment in current if segment.blocks}
    known = {segment.id for segment in current}
    findings = []
    for row in rows:
        expected = holder.get(row.id)
        if row.segment not in known and not row.hot:
            digest = row.body_digest.hex()
            findings.append(of_block(row, FindingKind.UNREADABLE, expected=digest, detail="neither hot nor sealed"))
        elif row.segment is not None and row.segment not in known:
            detail = "the file that it is said to be in is not in the catalogue"
            findings.append(of_block(row, FindingKind.CATALOGUE, found=str(row.segment), detail=detail))
        elif row.segment != expected and (expected is not None or row.segment in listing):
            told = {"expected": str(expected or ""), "found": str(row.segment or "")}
            findings.append(
                of_block(row, FindingKind.CATALOGUE, detail="it is in another file than its row says", **told)
            )
    return findings


def _hot(row: BlockRow, body: bytes, digests: bytes, copy: Copy | None) -> list[Finding]:
    kept = [digests[at : at + 32] for at in range(0, len(digests), 32)]
    named = copy.samples if copy else []
    found = hashlib.sha256(body).digest()
    change = {"expected": row.body_digest.hex(), "found": found.hex()}
    try:
        block = open_body(row, body)
    except Damaged as error:
        return [of_block(row, FindingKind.UNREADABLE, samples=named, detail=str(error), **change)]
    if row.kind is Kind.SPECTRA and len(named) != block.count:
        named = texts(block.batch["sample"])
    findings = compare(row, HOT, block.digests(), kept, named, intact=found == row.body_digest)
    if copy and not findings and row.kind is Kind.SPECTRA:
        findings = _copies(row, copy, kept, named)
    if not findings:
        findings = row_findings(row, HOT, block.batch)
    if found != row.body_digest and not findings:
        findings = [of_block(row, FindingKind.BYTES, **change)]
    return findings


def _copies(row: BlockRow, copy: Copy, kept: list[bytes], named: list[str]) -> list[Finding]:
    """Where the hot and the sealed copy, each sound in itself, are not of the same observations."""
    seq = sequence(row, len(kept))
    return [
        Finding(
            FindingKind.COPY,
            HOT,
            row.lot,
            row.source,
            row.epoch,
            seq[i],
            seq[i],
            (named[i],),
            sealed.hex(),
            hot.hex(),
        )
        for i, (sealed, hot) in enumerate(zip(copy.digests, kept, strict=False))
        if sealed != hot
    ]


def _axes(cursor: Cursor, company: UUID, rows: list[BlockRow]) -> list[Finding]:
    """Axes that are missing or not what their digest says, once for each source."""
    findings, seen = [], set[tuple[str, str]]()
    for row in rows:
        if row.kind is not Kind.SPECTRA or (row.source, row.axis) in seen:
            continue
        seen.add((row.source, row.axis))
        axis = find_axis(cursor, company, row.axis)
        if axis is None or axis.digest != row.axis:
            found = axis.digest if axis else ""
            findings.append(of_block(row, FindingKind.AXIS, expected=row.axis, found=found))
    return findings


def _continuity(cursor: Cursor, company: UUID, lot: str | None, rows: list[BlockRow]) -> list[Finding]:
    """Sequence numbers between the first and the last of each source that nobody accounts for."""
    findings = []
    for (source, epoch), of_source in groupby(rows, key=lambda row: (row.source, row.epoch)):
        blocks = list(of_source)
        whole = (blocks[0].first_seq, max(row.last_seq for row in blocks))
        cursor.execute("SELECT historian_missing(%s, %s, %s, %s, %s)", [company, source, epoch, *whole])
        (missing,) = cursor.fetchone() or ((),)
        gaps = [
            (gap.first_seq, _NO_END if gap.last_seq is None else gap.last_seq)
            for gap in (find_gaps(cursor, company, None, source) if missing else [])
            if gap.epoch == epoch
        ]
        findings += [
            Finding(FindingKind.MISSING, HOT, lot or "", source, epoch, first, last)
            for part in missing
            for first, last in minus((part.lower, part.upper - 1), gaps)
        ]
    return findings
