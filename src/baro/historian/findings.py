"""What a check can find, and the comparison that all checks end in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from baro.edge.blocks import Kind
from baro.historian.catalogue import BlockRow
from baro.historian.ranges import numbers

HOT = "database"
"""The place of a finding in a hot block."""


class FindingKind(StrEnum):
    OBSERVATION = "observation"
    """An observation no longer gives its digest."""
    UNREADABLE = "unreadable"
    """A body or a part of a file cannot be read any more."""
    BYTES = "bytes"
    """The stored bytes are not the ones that were stored. What that did to observations is found by itself."""
    DIGESTS = "digests"
    """Stored digests changed; the observations are what they were."""
    METADATA = "metadata"
    """A column of the block's row is not what its observations, or its sealed file, say."""
    CATALOGUE = "catalogue"
    """The catalogue's row of a sealed file does not fit the file or the blocks it lists."""
    AXIS = "axis"
    """The spectral axis is missing or no longer gives its digest."""
    FILE_MISSING = "file_missing"
    """A sealed file is not in the lake."""
    COPY = "copy"
    """The hot copy and the sealed one differ."""
    MISSING = "missing"
    """Sequence numbers that are neither stored nor accounted for by a gap."""
    RUN = "run"
    """The blocks of a source are not those whose digests were taken into the log."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    seq, last_seq: the observations it is about, both included. samples: their names (tablets), as far as known.
    place: ``database`` or the path of the sealed file. expected, found: digests (hex) or values. detail: more facts.
    """

    kind: FindingKind
    place: str
    lot: str
    source: str
    epoch: int
    seq: int
    last_seq: int
    samples: tuple[str, ...] = ()
    expected: str = ""
    found: str = ""
    detail: str = ""

    @property
    def sample(self) -> str:
        """The tablet's name when it is about one, "" when not."""
        return self.samples[0] if len(self.samples) == 1 else ""


@dataclass(frozen=True, slots=True)
class Copy:
    """What another copy of a block says of its observations, in the order of seq."""

    samples: list[str]
    digests: list[bytes]


def of_block(
    row: BlockRow,
    kind: FindingKind,
    place: str = HOT,
    *,
    samples: Sequence[str] = (),
    expected: str = "",
    found: str = "",
    detail: str = "",
) -> Finding:
    """A finding about a whole block."""
    return Finding(
        kind,
        place,
        row.lot,
        row.source,
        row.epoch,
        row.first_seq,
        row.last_seq,
        tuple(samples),
        expected,
        found,
        detail,
    )


def compare(
    row: BlockRow, place: str, actual: list[bytes], kept: list[bytes], samples: list[str], *, intact: bool
) -> list[Finding]:
    """What the digests of a block say.

    actual: computed from the values and from the identity in `row`; kept: stored beside them; `row.digest` is over
    all of them. intact: the bytes that hold the values are the ones that were stored.
    """
    found = _over(actual)
    if found == row.digest and kept == actual:
        return []
    differ = [i for i, (a, b) in enumerate(zip(actual, kept, strict=False)) if a != b]

    def whole(kind: FindingKind, detail: str = "") -> list[Finding]:
        expected = row.digest.hex()
        return [of_block(row, kind, place, samples=samples, expected=expected, found=found.hex(), detail=detail)]

    if found == row.digest:
        if len(kept) != len(actual) or row.kind is Kind.SAMPLES:
            return [of_block(row, FindingKind.DIGESTS, place, samples=samples, found=_over(kept).hex())]
        return _each(row, FindingKind.DIGESTS, place, differ, actual, kept, samples)
    if kept == actual:
        return whole(FindingKind.DIGESTS if intact else FindingKind.OBSERVATION, "the digest of the block")
    if intact and len(differ) == len(actual):
        return whole(FindingKind.METADATA, "source, lot, epoch or axis")
    if len(kept) != len(actual) or row.kind is Kind.SAMPLES:
        return whole(FindingKind.OBSERVATION)
    return _each(row, FindingKind.OBSERVATION, place, differ, kept, actual, samples)


def sequence(row: BlockRow, count: int) -> list[int]:
    """The sequence numbers of the `count` observations of a block, as its row says."""
    fits = sum(last - first + 1 for first, last in row.seqs) == count
    return numbers(row.seqs).tolist() if fits else list(range(row.first_seq, row.first_seq + count))


def _each(
    row: BlockRow,
    kind: FindingKind,
    place: str,
    which: list[int],
    expected: list[bytes],
    found: list[bytes],
    samples: list[str],
) -> list[Finding]:
    seq = sequence(row, len(expected))
    return [
        Finding(
            kind,
            place,
            row.lot,
            row.source,
            row.epoch,
            seq[i],
            seq[i],
            (samples[i],),
            expected[i].hex(),
            found[i].hex(),
        )
        for i in which
    ]


def _over(digests: list[bytes]) -> bytes:
    return hashlib.sha256(b"".join(digests)).digest()
