"""Sets of sequence numbers as runs: ((first, last), ...), both ends included, rising and apart."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Runs = tuple[tuple[int, int], ...]


def runs(seq: npt.NDArray[np.int64]) -> Runs:
    """The runs of strictly rising numbers."""
    if len(seq) == 0:
        return ()
    cuts = np.flatnonzero(np.diff(seq) != 1)
    firsts = seq[np.concatenate(([0], cuts + 1))]
    lasts = seq[np.concatenate((cuts, [len(seq) - 1]))]
    return tuple(zip(firsts.tolist(), lasts.tolist(), strict=True))


def numbers(of: Runs) -> npt.NDArray[np.int64]:
    """All numbers of the runs, rising."""
    parts = [np.arange(first, last + 1, dtype=np.int64) for first, last in of]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def positions(of: Runs, rising: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where in `rising` the numbers of the runs are; numbers that are not there are left out."""
    parts = [
        np.arange(np.searchsorted(rising, first), np.searchsorted(rising, last, side="right")) for first, last in of
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def minus(whole: tuple[int, int], taken: Iterable[tuple[int, int]]) -> Runs:
    """The runs of `whole` that none of `taken` covers."""
    left, start = [], whole[0]
    for first, last in sorted(taken):
        if first > start:
            left.append((start, min(first - 1, whole[1])))
        start = max(start, last + 1)
        if start > whole[1]:
            break
    if start <= whole[1]:
        left.append((start, whole[1]))
    return tuple(left)


def as_text(of: Runs) -> str:
    """As PostgreSQL's int8multirange."""
    return "{" + ",".join(f"[{first},{last}]" for first, last in of) + "}"
