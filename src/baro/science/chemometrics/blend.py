"""When a blend is even: moving-block standard deviation of spectra, and its F test.

Both look at how much the last few spectra of a blender differ from each other, channel by channel. Neither needs a
calibration, and neither says that the blend is the right one: segregated dead corners do not pass the window.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from baro.science.chemometrics.model import Floats
from baro.science.errors import CalibrationDataError, SpectrumLengthError, SpectrumNotFiniteError


@dataclass(frozen=True, slots=True)
class EndPointRule:
    """How a blend is followed and when it is done.

    block: spectra in a moving block. consecutive: blocks in a row that have to be at or below the limit. kind:
    ``mbsd``, the mean over the channels of the block's standard deviation, against `limit` in the unit of the spectra;
    or ``f``, the ratio of the block's variance, summed over the channels, to that of an even blend, against the F
    quantile.

    For ``f``: reference: (m, p) spectra of an even blend, preprocessed alike; alpha: level of the test. Channels are
    not independent, so degrees of freedom are those of Box's approximation (Ann. Math. Stat. 25 (1954) 290) from the
    reference's own covariance: block - 1 and m - 1, each times the effective number of channels, (Σλ)² / Σλ². That
    number comes out too small from few reference spectra, so the limit is then too high rather than too low.

    Raises CalibrationDataError for numbers that make no rule.
    """

    block: int = 10
    consecutive: int = 10
    kind: Literal["mbsd", "f"] = "mbsd"
    limit: float | None = None
    reference: npt.NDArray[np.float64] | None = None
    alpha: float = 0.05
    bound: float = field(init=False)
    noise: float = field(init=False, default=1.0)

    def __post_init__(self) -> None:
        if self.block < 2 or self.consecutive < 1:
            raise CalibrationDataError("A block has at least two spectra, and at least one block has to be even.")
        if self.kind == "mbsd":
            if self.limit is None or not self.limit > 0.0:
                raise CalibrationDataError("The moving-block standard deviation needs a limit above 0.")
            object.__setattr__(self, "bound", float(self.limit))
            return
        known = np.asarray(self.reference, dtype=np.float64) if self.reference is not None else np.empty((0, 0))
        if known.ndim != 2 or len(known) < 3 or not np.isfinite(known).all() or not 0.0 < self.alpha < 1.0:
            raise CalibrationDataError("The F test needs at least three finite spectra of an even blend, and a level.")
        variances = np.linalg.svd(known - np.mean(known, axis=0), compute_uv=False) ** 2 / (len(known) - 1)
        total = float(np.sum(variances))
        if not total > 0.0:
            raise CalibrationDataError("The spectra of the even blend do not differ, so they set no limit.")
        channels = total**2 / float(np.sum(variances**2))
        freedom = (self.block - 1) * channels, (len(known) - 1) * channels
        object.__setattr__(self, "noise", total)
        object.__setattr__(self, "bound", float(stats.f.ppf(1.0 - self.alpha, *freedom)))


@dataclass(frozen=True, slots=True)
class BlendState:
    """After a spectrum. number: from 1. value: MBSD or variance ratio of the block that ends here, NaN before the first
    block is full. below: blocks in a row at or below the limit. done: the end point has been reached, now or before."""

    number: int
    value: float
    below: int
    done: bool


class BlendMonitor:
    """Follows one blend, spectrum by spectrum.

    Sekulic et al., Anal. Chem. 68 (1996) 509; after the moving F test of Besseling et al., J. Pharm. Biomed. Anal. 114
    (2015) 471. Spectra come preprocessed (SNV and second derivative are usual). Each block is computed from its own
    spectra, not from running sums, so a value does not depend on how long the blender has run.
    """

    def __init__(self, rule: EndPointRule) -> None:
        self.rule = rule
        self._block: deque[Floats] = deque(maxlen=rule.block)
        self._number = self._below = 0
        self.end_point: int | None = None
        """Number of the spectrum at which the end point was reached."""

    def add(self, spectrum: npt.ArrayLike) -> BlendState:
        """One spectrum (p,). Raises SpectrumLengthError or SpectrumNotFiniteError, and then counts nothing."""
        row = np.array(spectrum, dtype=np.float64)
        known = self._block[0] if self._block else self.rule.reference[0] if self.rule.reference is not None else row
        if row.ndim != 1 or row.shape != known.shape:
            raise SpectrumLengthError(known.size, row.size)
        if not np.isfinite(row).all():
            raise SpectrumNotFiniteError
        self._block.append(row)
        self._number += 1
        value = float("nan")
        if len(self._block) == self.rule.block:
            variances = np.var(np.stack(self._block), axis=0, ddof=1)
            value = (
                float(np.mean(np.sqrt(variances)))
                if self.rule.kind == "mbsd"
                else float(np.sum(variances)) / self.rule.noise
            )
            self._below = self._below + 1 if value <= self.rule.bound else 0
            if self._below >= self.rule.consecutive and self.end_point is None:
                self.end_point = self._number
        return BlendState(self._number, value, self._below, self.end_point is not None)

    def add_all(self, spectra: Iterable[npt.ArrayLike]) -> list[BlendState]:
        """Spectra (n, p) in their order."""
        return [self.add(spectrum) for spectrum in spectra]


def moving_block_deviation(spectra: npt.ArrayLike, block: int) -> Floats:
    """MBSD (n - block + 1,) of spectra (n, p): of each block the mean over channels of its standard deviation."""
    x = np.asarray(spectra, dtype=np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(x, block, axis=0)
    return np.asarray(np.mean(np.std(windows, axis=-1, ddof=1), axis=1))
