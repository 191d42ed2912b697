"""Programs: what a compiled recipe does to a spectrum, see `_chain` for the arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
