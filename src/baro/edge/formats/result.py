"""What a reader gives: plain arrays, units, names, times, and what the file said about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatError

Floats = npt.NDArray[np.float64]

MAX_BYTES = 256 * 1024 * 1024
"""Larger files are refused unread."""
MAX_VALUES = 1 << 25
"""Values a file may claim or decode to, over all its spectra; 256 MiB as float64."""
MAX_SPECTRA = 1 << 20
MAX_BLOCKS = 1 << 16
"""Spectra with an axis of their own, or tables of a text, in one file."""


class Check(NamedTuple):
    """One statement of the file about its data, and what was found. `tolerance` comes from the digits or the
    resolution with which the file states it."""

    name: str
    claimed: float
    found: float
    tolerance: float = 0.0

    @property
    def holds(self) -> bool:
        """Is what was found what was claimed? NaN never is."""
        return self.claimed == self.found or abs(self.claimed - self.found) <= self.tolerance

    def __str__(self) -> str:
        return f"{self.name} is {self.claimed:.10g} by the file's own word, {self.found:.10g} as decoded"


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Spectra of one block of a file that share an axis.

    axis: shape (p,), finite. values: shape (n, p); NaN where the file says that a point is invalid. `samples` and
    `times` have n entries. A time is aware when the file tells its zone and naive when it does not; None: no time.
    Units are as in `baro.edge.formats.units`; "" when the file does not tell.
    """

    block: str
    axis: Floats
    values: Floats
    x_unit: str = ""
    y_unit: str = ""
    form: str = "spectrum"
    """``spectrum``, ``interferogram``, ``peaks``, ``series`` (a curve over time or another quantity)."""
    samples: tuple[str, ...] = ()
    times: tuple[datetime | None, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    coordinates: Mapping[str, Floats] = field(default_factory=dict)
    """What tells the spectra of a series or a map apart, such as time or place; arrays of shape (n,)."""

    def __post_init__(self) -> None:
        """Shapes fit; names and times are filled up. Raises FileDamagedError."""
        count, points = self.values.shape
        if self.axis.shape != (points,) or not points or not count:
            raise FileDamagedError(f"{self.axis.size} places on the axis, values {self.values.shape}", block=self.block)
        if not bool(np.isfinite(self.axis).all()):
            raise FileDamagedError("a place on the axis is not a finite number", block=self.block)
        object.__setattr__(self, "samples", self.samples or ("",) * count)
        object.__setattr__(self, "times", self.times or (None,) * count)
        if len(self.samples) != count or len(self.times) != count:
            raise FileDamagedError(f"{len(self.samples)} names for {count} spectra", block=self.block)


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A file that was read: every block of it, each checked. `notes` are sentences about what is odd but harmless."""

    format: str
    variant: str
    spectra: tuple[Spectra, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refused: tuple[FormatError, ...] = ()
    """Blocks that were left out, and why. Only of what is no spectrum; else the whole file is refused."""

    @property
    def count(self) -> int:
        """Spectra in all blocks."""
        return sum(len(block.values) for block in self.spectra)


def hold(checks: Sequence[Check], *, block: str = "", offset: int | None = None) -> tuple[Check, ...]:
    """The checks, when all hold. Raises DataDisagreeError naming every one that does not."""
    broken = [str(check) for check in checks if not check.holds]
    if broken:
        raise DataDisagreeError("; ".join(broken), block=block, offset=offset)
    return tuple(checks)


def bounded(count: float, points: float = 1, *, block: str = "", offset: int | None = None) -> None:
    """Refuse what would take more memory than a reader may. Raises FileTooLargeError or FileDamagedError."""
    if not (math.isfinite(count) and math.isfinite(points)) or count < 0 or points < 0:
        raise FileDamagedError(f"{count} spectra of {points} points", block=block, offset=offset)
    if count > MAX_SPECTRA or count * points > MAX_VALUES:
        raise FileTooLargeError(
            f"{count:.0f} spectra of {points:.0f} points; at most {MAX_SPECTRA} and {MAX_VALUES} values are read",
            block=block,
            offset=offset,
        )


@dataclass(slots=True)
class Room:
    """What a file may still decode to. A small file can name one large block many times, or claim much many times."""

    left: int = MAX_VALUES

    def take(self, count: float, *, block: str = "", offset: int | None = None) -> None:
        """Room for so many values more. Raises FileTooLargeError or FileDamagedError."""
        bounded(1, count, block=block, offset=offset)
        self.left -= int(count)
        if self.left < 0:
            raise FileTooLargeError("more values in all than are read", block=block, offset=offset)


def even(first: float, last: float, points: int) -> Floats:
    """An evenly spaced axis, as the file formats mean it: both ends exact. Shape (points,)."""
    if not (math.isfinite(first) and math.isfinite(last)):
        raise FileDamagedError(f"the axis goes from {first} to {last}")
    return np.linspace(first, last, points, dtype=np.float64)


def extremes(values: Floats) -> tuple[float, float]:
    """Smallest and largest of the valid values; NaN when there is none."""
    valid = values[np.isfinite(values)]
    return (float(valid.min()), float(valid.max())) if valid.size else (math.nan, math.nan)
