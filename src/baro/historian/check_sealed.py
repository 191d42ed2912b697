"""The check of one sealed file: its bytes, its catalogue row, its blocks, and each observation in it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from baro.edge.blocks import Kind
from baro.historian import lake
from baro.historian.bodies import integers, open_body, texts
from baro.historian.catalogue import BlockRow, Segment, read_bodies
from baro.historian.errors import Damaged, SealedFileMissing
from baro.historian.findings import Copy, Finding, FindingKind, compare, of_block, sequence
from baro.historian.ranges import runs
from baro.historian.seal import blocks_of
from baro.historian.sealed import Sealed, described, facts_blocks_of, open_sealed, root_of
from baro.historian.session import Cursor, Session


def check_segment(session: Session, data_dir: Path, segment: Segment) -> tuple[list[Finding], dict[int, Copy]]:
    """Findings, and what the file says of each block (by its id) that could be read in full."""
    with session.transaction() as cursor:
        rows = blocks_of(cursor, session.company_id, segment)
        findings = catalogue_findings(segment, rows)
        try:
            content = lake.read(data_dir, segment.path)
        except SealedFileMissing:
            names = [name for row in rows for name in _hot_names(cursor, row).values()]
            return [*findings, of_segment(segment, FindingKind.FILE_MISSING, names, segment.file_digest.hex())], {}
        digest = hashlib.sha256(content).digest()
        intact = digest == segment.file_digest
        if not intact:
            findings.append(of_segment(segment, FindingKind.BYTES, [], segment.file_digest.hex(), digest.hex()))
        try:
            sealed = open_sealed(content, segment.kind)
        except Damaged as error:
            names = [name for row in rows for name in _hot_names(cursor, row).values()]
            findings.append(of_segment(segment, FindingKind.UNREADABLE, names, detail=str(error)))
            return findings, {}
        if intact:
            findings += _facts(segment, rows, sealed)
        copies = {}
        for row in rows:
            digests = sealed.digests(row)
            if digests is None:
                findings += _incomplete(cursor, segment, row, sealed)
                continue
            found, copies[row.id] = _block(segment, row, sealed, digests, intact)
            findings += found
    return findings, copies


def _block(
    segment: Segment, row: BlockRow, sealed: Sealed, digests: list[bytes], intact: bool
) -> tuple[list[Finding], Copy]:
    rows = sealed.table.take(pa.array(sealed.rows(row)))
    if sealed.kind is Kind.SPECTRA:
        kept = rows["digest"].to_pylist()
        samples = [text for chunk in rows["sample"].chunks for text in texts(chunk)]
        findings = compare(row, segment.path, digests, kept, samples, intact=intact)
    else:
        # a sealed file keeps no digest of a block of samples beside it, the block's row does
        kept, samples, findings = digests, [], []
        found = hashlib.sha256(digests[0]).digest()
        if found != row.digest:
            kind = FindingKind.METADATA if intact else FindingKind.OBSERVATION
            findings = [of_block(row, kind, segment.path, expected=row.digest.hex(), found=found.hex())]
    if not findings:
        findings = row_findings(row, segment.path, rows)
    return findings, Copy(samples, kept)


def row_findings(row: BlockRow, place: str, rows: pa.Table | pa.RecordBatch) -> list[Finding]:
    """Where the columns of a block's row are not what its (intact) observations say."""
    time = rows["time"].combine_chunks() if isinstance(rows, pa.Table) else rows["time"]
    instants = integers(time)
    said: dict[str, tuple[Any, Any]] = {
        "count": (rows.num_rows, row.count),
        "seqs": (runs(integers(rows["seq"])), row.seqs),
        "time_min": (time[int(np.argmin(instants))].as_py(), row.time_min),
        "time_max": (time[int(np.argmax(instants))].as_py(), row.time_max),
    }
    return [
        of_block(row, FindingKind.METADATA, place, expected=str(expected), found=str(found), detail=column)
        for column, (expected, found) in said.items()
        if expected != found
    ]


def _incomplete(cursor: Cursor, segment: Segment, row: BlockRow, sealed: Sealed) -> list[Finding]:
    """The observations of a block that could not be read, by the names that the rest of the file still
    knows, or else the hot copy."""
    at = sealed.rows(row)
    there = set(integers(sealed.table["seq"])[at].tolist())
    lost = [seq for seq in sequence(row, row.count) if seq not in there]
    names = _hot_names(cursor, row)
    for remains in sealed.lost:
        if {"epoch", "seq", "sample"} <= remains.keys():
            keys = zip(integers(remains["epoch"]).tolist(), integers(remains["seq"]).tolist(), strict=True)
            known = zip(keys, remains["sample"].to_pylist(), strict=True)
            names |= {seq: name for (epoch, seq), name in known if epoch == row.epoch}
    if not lost:  # more rows than the block has
        return [of_block(row, FindingKind.UNREADABLE, segment.path, samples=list(names.values()))]
    samples = tuple(names[seq] for seq in lost if seq in names)
    return [
        Finding(
            FindingKind.UNREADABLE,
            segment.path,
            row.lot,
            row.source,
            row.epoch,
            lost[0],
            lost[-1],
            samples,
            expected=row.digest.hex(),
            detail=f"{len(lost)} observations",
        )
    ]


def _hot_names(cursor: Cursor, row: BlockRow) -> dict[int, str]:
    """Sample names by seq from the hot copy, when there is an intact one."""
    if not row.hot or row.kind is not Kind.SPECTRA:
        return {}
    for body, _ in read_bodies(cursor, [row.id]).values():
        if hashlib.sha256(body).digest() == row.body_digest:
            try:
                batch = open_body(row, body).batch
            except Damaged:
                break
            return dict(zip(integers(batch["seq"]).tolist(), texts(batch["sample"]), strict=True))
    return {}


def catalogue_findings(segment: Segment, rows: list[BlockRow]) -> list[Finding]:
    """Where the catalogue's row does not fit the blocks it lists."""
    root = root_of(rows)
    said: dict[str, tuple[Any, Any]] = {
        "blocks": (len(segment.blocks) if segment.day is None else len(rows), len(rows)),
        "root_digest": (segment.root_digest.hex(), root.hex()),
        "count": (segment.count, sum(row.count for row in rows)),
    }
    if rows:
        first = min((row.epoch, row.first_seq) for row in rows)
        last = max((row.epoch, row.last_seq) for row in rows)
        said |= {
            "first": ((segment.first_epoch, segment.first_seq), first),
            "last": ((segment.last_epoch, segment.last_seq), last),
        }
    findings = [
        of_segment(segment, FindingKind.CATALOGUE, [], str(expected), str(found), column)
        for column, (expected, found) in said.items()
        if expected != found
    ]
    mine = (segment.kind, segment.source, segment.lot, segment.axis)
    return findings + [
        of_block(row, FindingKind.CATALOGUE, segment.path, expected=str(mine), found=str(other))
        for row in rows
        if (other := (row.kind, row.source, row.lot, row.axis)) != mine
    ]


def _facts(segment: Segment, rows: list[BlockRow], sealed: Sealed) -> list[Finding]:
    return facts_findings(segment, rows, sealed.facts)


def facts_findings(segment: Segment, rows: list[BlockRow], facts: Mapping[str, str]) -> list[Finding]:
    """Where an intact file says other things of itself than the database does."""
    said = {"source": segment.source, "lot": segment.lot, "kind": segment.kind.value, "axis": segment.axis}
    if segment.day is not None:
        said["day"] = segment.day.isoformat()
    findings = [
        of_segment(segment, FindingKind.CATALOGUE, [], facts.get(name, ""), value, name)
        for name, value in said.items()
        if facts.get(name) != value
    ]
    blocks = facts_blocks_of(facts)
    if len(blocks) != len(rows):
        return [*findings, of_segment(segment, FindingKind.CATALOGUE, [], str(len(blocks)), str(len(rows)), "blocks")]
    ordered = sorted(rows, key=lambda row: (row.epoch, row.first_seq))
    for row, expected, found in zip(ordered, blocks, described(rows), strict=True):
        findings += [
            of_block(row, FindingKind.METADATA, expected=str(expected.get(name)), found=str(found[name]), detail=name)
            for name in found
            if expected.get(name) != found[name]
        ]
    return findings


def of_segment(
    segment: Segment, kind: FindingKind, samples: list[str], expected: str = "", found: str = "", detail: str = ""
) -> Finding:
    """A finding about a whole sealed file."""
    return Finding(
        kind,
        segment.path,
        segment.lot,
        segment.source,
        segment.first_epoch,
        segment.first_seq,
        segment.last_seq,
        tuple(samples),
        expected,
        found,
        detail,
    )
