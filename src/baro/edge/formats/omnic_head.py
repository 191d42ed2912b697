"""What spectra, groups and series of Thermo OMNIC share: units, the head of a spectrum, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from baro.edge.errors import FileDamagedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.result import Floats

POINTS = 2
"""The kind of axis that counts points: an interferogram."""
X_UNITS = {1: "cm-1", POINTS: "points", 3: "nm", 4: "um", 32: "cm-1"}
Y_UNITS = {
    11: "reflectance %",
    12: "log(1/R)",
    15: "single beam",
    16: "transmittance %",
    17: "absorbance",
    20: "Kubelka-Munk",
    21: "reflectance",
    22: "V",
    23: "transmittance",
    26: "photoacoustic",
    31: "intensity",
}


class Head(NamedTuple):
    """The head of a spectrum. `first` and `last` are the ends of the axis in the order in which they are written."""

    points: int
    x_kind: int
    y_kind: int
    first: float
    last: float
    scans: int
    background: int

    @classmethod
    def of(cls, cursor: Cursor, offset: int) -> Head:
        """Raises FileDamagedError when there are no points."""
        points, x_kind, y_kind, first, last = cursor.unpack("<IB3xB3xff", offset + 4)
        if not points:
            raise FileDamagedError("no points", block=cursor.block, offset=offset + 4)
        scans, background = cursor.one("<I", offset + 36), cursor.one("<I", offset + 52)
        return cls(points, x_kind, y_kind, first, last, scans, background)


def moment(seconds: int) -> datetime | None:
    """Seconds since 1899-12-31 in UTC, as the local times with their zones in the files' own texts show."""
    return datetime(1899, 12, 31, tzinfo=UTC) + timedelta(seconds=seconds) if seconds else None


def finite(values: Floats, block: str, offset: int) -> Floats:
    """Blanked regions are not numbers by design; infinity is damage. Raises FileDamagedError."""
    if bool(np.isinf(values).any()):
        raise FileDamagedError("a value is infinite", block=block, offset=offset)
    return values
