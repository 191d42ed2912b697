"""A fitted calibration: everything that prediction, its diagnostics and its charts need."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.errors import NotCompilableError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """Standard normal variate, then a Savitzky-Golay first derivative with fitted ends.

    SNV: Barnes, Dhanoa & Lister, Appl. Spectrosc. 43 (1989) 772. Derivative: Savitzky & Golay,
    Anal. Chem. 36 (1964) 1627; at both ends the polynomial of the outermost window is used
    (scipy's ``mode="interp"``).

    window_length: channels, odd. polyorder: 1 or 2 (both give the same filter inside the ends).
    """

    window_length: int = 15
    polyorder: int = 2

    def __post_init__(self) -> None:
        if self.window_length < 3 or self.window_length % 2 == 0 or self.polyorder not in (1, 2):
            raise NotCompilableError(
                f"Window {self.window_length}, order {self.polyorder}: need an odd window >= 3, order 1 or 2."
            )

    @property
    def half(self) -> int:
        return self.window_length // 2

    def inner(self) -> Floats:
        """Taps (half,) of the antisymmetric filter: sum over k of tap[k] (x[j+k+1] - x[j-k-1])."""
        k = np.arange(1, self.half + 1, dtype=np.float64)
        return k / (2.0 * float(np.sum(k * k)))

    def ends(self) -> tuple[Floats, Floats]:
        """Weights (half, window) of the first and of the last `half` channels on the outermost window."""
        h = self.half
        k = np.arange(-h, h + 1, dtype=np.float64)
        slope = np.tile(k / float(np.sum(k * k)), (h, 1))
        if self.polyorder == 1:
            return slope, slope.copy()
        # The polynomial orthogonal to 1 and k on the window; its derivative at the position i is 2 i.
        curve = k * k - float(np.mean(k * k))
        curvature = curve / float(np.sum(curve * curve))
        at = np.arange(-h, 0, dtype=np.float64)[:, None]
        return slope + 2.0 * at * curvature, slope - 2.0 * at[::-1] * curvature


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper limits of Hotelling's T² and of Q for two levels.

    extreme: exceeded by 5 % of good spectra, worth a look. outlier: exceeded by 1 %: the spectrum
    is outside the calibration, and its value must not be used for a release.
    """

    t2_extreme: float
    t2_outlier: float
    q_extreme: float
    q_outlier: float


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationSet:
    """What charts draw behind live results. n calibration spectra, p channels.

    mean, low, high: (p,) mean and 1st and 99th percentile of the raw spectra.
    reference: (n,) laboratory values. t2, q: (n,) of the fitted model.
    predicted_cv, t2_cv, q_cv: (repeats, n) of each spectrum when it was left out.
    """

    mean: Floats
    low: Floats
    high: Floats
    reference: Floats
    predicted_cv: Floats
    t2: Floats
    q: Floats
    t2_cv: Floats
    q_cv: Floats


class Fitted:
    """What every fitted calibration has, whatever recipe it follows: p channels of an axis, A latent variables."""

    name: str
    quantity: str
    unit: str
    nominal: float | None
    axis: Floats
    axis_unit: str
    centre: Floats
    rotations: Floats
    loadings: Floats
    y_loadings: Floats
    y_mean: float
    score_variance: Floats
    limits: Limits
    calibration: CalibrationSet
    figures: Mapping[str, Any]
    provenance: Mapping[str, Any]

    @property
    def channels(self) -> int:
        return int(self.axis.size)

    @property
    def latent_variables(self) -> int:
        return int(self.y_loadings.size)

    @property
    def axis_digest(self) -> str:
        """Digest of the spectral axis, equal to the one spectra travel with."""
        return axis_digest(self.axis, self.axis_unit)

    @property
    def inner_axis(self) -> Floats:
        """(q,) axis of the channels that the regression sees."""
        return self.axis

    @property
    def reference_range(self) -> tuple[float, float]:
        """Least and greatest reference value of the calibration, in `unit`."""
        return float(np.min(self.calibration.reference)), float(np.max(self.calibration.reference))


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationModel(Fitted):
    """A partial least squares calibration of one property (PLS1), p channels and A latent variables.

    axis: (p,) in `axis_unit`. centre: (p,) mean of the preprocessed calibration spectra.
    rotations, loadings: (A, p). y_loadings, score_variance: (A,). y_mean: in `unit`.
    nominal: label claim in `unit`. figures: validation figures, see `calibration.fit_model`.
    provenance: where the calibration comes from; text and numbers only.
    """

    name: str
    quantity: str
    unit: str
    nominal: float | None
    axis: Floats
    axis_unit: str
    preprocessing: Preprocessing
    centre: Floats
    rotations: Floats
    loadings: Floats
    y_loadings: Floats
    y_mean: float
    score_variance: Floats
    limits: Limits
    calibration: CalibrationSet
    figures: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze_arrays(self)
        freeze_arrays(self.calibration)
        if len(self.axis) < self.preprocessing.window_length:
            raise NotCompilableError("The spectrum is shorter than the derivative's window.")
        check_arrays(self, len(self.axis))


def check_arrays(model: Fitted, width: int) -> None:
    """Raises NotCompilableError unless the arrays of a model fit the channels (q) that its regression sees, and each
    other. What runs it looks at no bounds."""
    count = model.y_loadings.size
    shapes = {
        "centre": (width,),
        "rotations": (count, width),
        "loadings": (count, width),
        "y_loadings": (count,),
        "score_variance": (count,),
    }
    for name, shape in shapes.items():
        if getattr(model, name).shape != shape:
            raise NotCompilableError(f"The {name} of the model are {getattr(model, name).shape}, not {shape}.")


def freeze_arrays(owner: Any) -> None:
    """Make every array of floats of a frozen dataclass a contiguous float64 that cannot be written to."""
    for entry in fields(owner):
        value = getattr(owner, entry.name)
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            frozen = np.array(value, dtype=np.float64, order="C")
            frozen.setflags(write=False)
            object.__setattr__(owner, entry.name, frozen)


def axis_digest(values: npt.ArrayLike, unit: str) -> str:
    """SHA-256 (hex) over unit and values as little-endian float64, as ``edge.blocks.Axis.digest``."""
    body = unit.encode() + b"\0" + np.asarray(values, dtype="<f8").tobytes()
    return hashlib.sha256(body).hexdigest()
