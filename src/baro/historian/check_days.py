"""The check of the file of a day: its bytes, its directory, its catalogue row, and each block in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from baro.historian import lake, samplefile
from baro.historian.bodies import UNREADABLE
from baro.historian.catalogue import BlockRow, Segment, find_blocks
from baro.historian.check_sealed import catalogue_findings, facts_findings, of_segment, row_findings
from baro.historian.errors import SealedFileMissing
from baro.historian.findings import Copy, Finding, FindingKind, of_block
from baro.historian.sealed_days import batches, digest_of
from baro.historian.session import Session


def check_day(session: Session, data_dir: Path, segment: Segment) -> tuple[list[Finding], dict[int, Copy]]:
    """Findings, and the digest of each block (by its id) that the file still holds whole."""
    with session.transaction() as cursor:
        rows = find_blocks(cursor, session.company_id, segment=segment.id)
    findings = catalogue_findings(segment, rows) + check_bytes(data_dir, segment)
    if any(finding.kind is FindingKind.FILE_MISSING and not finding.detail for finding in findings):
        return findings, {}
    intact = not any(finding.kind is FindingKind.BYTES and not finding.detail for finding in findings)
    damage: list[str] = []
    try:
        file = samplefile.opened(lake.read(data_dir, segment.path))
        if intact:
            findings += facts_findings(segment, rows, samplefile.facts_in(file))
        found = list(_blocks(segment, file, rows, damage, intact))
    except UNREADABLE as error:
        return [*findings, of_segment(segment, FindingKind.UNREADABLE, [], detail=str(error))], {}
    copies: dict[int, Copy] = {}
    for block, more, copy in found:
        findings += more
        if copy is not None:
            copies[block] = copy
    findings += [of_segment(segment, FindingKind.UNREADABLE, [], detail=text) for text in dict.fromkeys(damage)]
    return findings, copies


def check_bytes(data_dir: Path, segment: Segment) -> list[Finding]:
    """Whether a file, and its directory, are the bytes that were sealed. `detail` names the directory."""
    findings = []
    paths = {segment.path: segment.file_digest}
    if segment.index_digest is not None:
        paths[samplefile.directory_path(segment.path)] = segment.index_digest
    for path, expected in paths.items():
        detail = "" if path == segment.path else path
        try:
            found = hashlib.sha256(lake.read(data_dir, path)).digest()
        except SealedFileMissing:
            findings.append(of_segment(segment, FindingKind.FILE_MISSING, [], expected.hex(), detail=detail))
            continue
        if found != expected:
            findings.append(of_segment(segment, FindingKind.BYTES, [], expected.hex(), found.hex(), detail))
    return findings


def _blocks(
    segment: Segment, file: pq.ParquetFile, rows: list[BlockRow], damage: list[str], intact: bool
) -> Iterator[tuple[int, list[Finding], Copy | None]]:
    for row, batch in batches(file, rows, damage):
        if batch is None:
            detail = "some of its observations cannot be read"
            expected = row.digest.hex()
            yield row.id, [of_block(row, FindingKind.UNREADABLE, segment.path, expected=expected, detail=detail)], None
            continue
        found = digest_of(row, batch)
        if found != row.digest:
            kind = FindingKind.METADATA if intact else FindingKind.OBSERVATION
            change = {"expected": row.digest.hex(), "found": found.hex()}
            yield row.id, [of_block(row, kind, segment.path, **change)], None
            continue
        yield row.id, row_findings(row, segment.path, batch), Copy([], [found])
