"""Programs: what a compiled recipe does to a spectrum, see `_chain` for the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baro.science.errors import NotCompilableError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Operations on one spectrum. layout: (k, 6) int64, numbers: (m,) float64, see `_chain`.

    kept: (q,) positions of the channels that are left.
    """

    layout: Integers
    numbers: Floats
    kept: Integers

    @property
    def channels_out(self) -> int:
        return int(self.kept.size)

    def check(self, channels: int) -> None:
        """Raises NotCompilableError for a program that would read beyond its numbers or a spectrum of so many channels.

        What runs it looks at no bounds, and a program may come from a file.
        """
        width, used = channels, self.numbers.size
        sound = self.layout.ndim == 2 and self.layout.shape[1:] == (6,) and self.numbers.ndim == self.kept.ndim == 1
        for row in self.layout if sound else ():
            code, before, after, at, first, second = (int(one) for one in row)
            need = _needed(code, before, after, first, second)
            sound &= before == width and 0 < after <= width and (code == _GATHER or after == before)
            sound &= need is not None and at >= 0 and at + need <= used
            if not sound:
                break
            if code == _GATHER:
                positions = self.numbers[at : at + after]
                sound &= bool(np.all((positions >= 0) & (positions < before)))
            width = after
        if not sound or self.kept.size != width or np.any((self.kept < 0) | (self.kept >= channels)):
            raise NotCompilableError("The program of the model does not fit its numbers and its axis.")

    def scratch(self, channels: int) -> Floats:
        """Work space for spectra of so many channels."""
        widest = int(self.layout[:, 4].max(initial=0)) if len(self.layout) else 0
        return np.empty((7, channels + widest))

    def apply(self, spectra: npt.ArrayLike) -> Floats:
        """The preprocessed spectra (n, q) of raw ones (n, p)."""
        from baro.science.chemometrics import _chain, _kernels

        x = np.ascontiguousarray(spectra, dtype=np.float64)
        out, work, lanes = np.empty((len(x), self.channels_out)), self.scratch(x.shape[1]), np.empty(_kernels.LANES)
        for row, into in zip(x, out, strict=True):
            _chain.apply(row, self.layout, self.numbers, work[6], work, lanes)
            into[:] = work[6, : self.channels_out]
        return out


_GATHER = 0
_MOST_ROUNDS = 10_000


def _needed(code: int, width: int, after: int, first: int, second: int) -> int | None:
    """How many numbers an operation of `_chain` reads; None for one that there is not."""
    window = 1 <= first <= width and first % 2 == 1
    rounds = 0 <= first <= _MOST_ROUNDS and width >= 3
    rows = 0 <= first <= width
    found = {
        _GATHER: (True, after),
        1: (True, 0),
        2: (rows and -1 <= second < first, 2 * first * width),
        3: (window, first * (1 + 2 * (first // 2))),
        4: (window, first),
        5: (first in (1, 2), 0),
        6: (rounds, 2),
        7: (rounds, 2),
        8: (window, (1 + first) * width),
        9: (rows, (1 + 2 * first) * width),
    }.get(code)
    return found[1] if found is not None and found[0] else None
