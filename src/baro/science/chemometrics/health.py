"""Is the instrument what it was? Wavelengths, photometric scale, noise and lamp, against standards.

A standard's certified positions, reflectances and their uncertainties are the user's: they belong to the piece that was
measured. Limits are parameters. The defaults, ± 1 nm and slope 1.00 ± 0.05 with intercept 0.00 ± 0.05, are of the kind
that Ph. Eur. 2.2.40 and USP <856> ask of near-infrared instruments; what they ask differs with the range of wavelengths
and the edition, so whoever sets up a check takes them from the edition in force.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.model import Floats
from baro.science.errors import CalibrationDataError

WAVELENGTH_NM = 1.0
SLOPE, INTERCEPT = 0.05, 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. measured: name → value; limits: name → (low, high), None for no bound; both have the same
    names. failed: the names beyond their limits."""

    measured: Mapping[str, float]
    limits: Mapping[str, tuple[float | None, float | None]]
    failed: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        beyond = []
        for name, value in self.measured.items():
            low, high = self.limits[name]
            # what is no number is within no limit
            fine = np.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
            if not fine:
                beyond.append(name)
        object.__setattr__(self, "failed", tuple(beyond))

    @property
    def passed(self) -> bool:
        return not self.failed


def peak(
    axis: npt.ArrayLike, spectrum: npt.ArrayLike, near: float, half_width: float, *, how: str = "parabola"
) -> float:
    """Position of the band of a spectrum (p,) on `axis` (p,) that is highest within near ± half_width, in axis units.

    how: ``parabola`` through the highest channel and those beside it; ``centroid`` of what lies above the higher end of
    the window, for bands that are broad or not symmetric. NaN when the highest channel is at an end of the window: then
    there is no band. Raises CalibrationDataError for fewer than five channels in the window.
    """
    x, y = _rising(axis, spectrum)
    inside = np.flatnonzero(np.abs(x - near) <= half_width)
    if inside.size < 5:
        raise CalibrationDataError(f"{inside.size} channels within {near:g} ± {half_width:g} are too few for a peak.")
    at, height = x[inside], y[inside]
    top = int(np.argmax(height))
    if top in (0, inside.size - 1):
        return float("nan")
    if how == "centroid":
        weight = np.clip(height - max(height[0], height[-1]), 0.0, None)
        # the band alone, not what rises beyond its feet
        first = top - int(np.argmax(weight[top::-1] == 0.0)) if (weight[: top + 1] == 0.0).any() else 0
        last = top + int(np.argmax(weight[top:] == 0.0)) if (weight[top:] == 0.0).any() else inside.size - 1
        part = slice(first, last + 1)
        return float(np.sum(weight[part] * at[part]) / np.sum(weight[part]))
    if how != "parabola":
        raise CalibrationDataError(f"A peak is found by a parabola or a centroid, not by {how!r}.")
    (x0, x1, x2), (y0, y1, y2) = at[top - 1 : top + 2], height[top - 1 : top + 2]
    # Lagrange's parabola through three points, whatever their spacing
    up, down = (y1 - y0) * (x1 - x2), (y1 - y2) * (x1 - x0)
    return float(x1 - 0.5 * ((x1 - x0) * down - (x1 - x2) * up) / (down - up)) if down != up else float(x1)


def wavelength_accuracy(
    axis: npt.ArrayLike,
    spectrum: npt.ArrayLike,
    certified: Sequence[float],
    *,
    tolerance: float | Sequence[float] = WAVELENGTH_NM,
    half_width: float = 10.0,
    how: str = "parabola",
) -> Verdict:
    """Deviations (found - certified) of the bands of a standard, one for each certified position, in axis units.

    spectrum (p,): absorbance-like, bands upwards. tolerance: one, or one for each. A band that is not there fails.
    Raises CalibrationDataError.
    """
    found = [peak(axis, spectrum, position, half_width, how=how) for position in certified]
    return wavelength_deviations(found, certified, tolerance=tolerance)


def wavelength_deviations(
    found: Sequence[float], certified: Sequence[float], *, tolerance: float | Sequence[float] = WAVELENGTH_NM
) -> Verdict:
    """Deviations (found - certified) of bands whose positions were found already, as by the program of the instrument.

    found: NaN for a band that is not there; it fails. tolerance: one, or one for each. Raises CalibrationDataError.
    """
    bounds = [float(tolerance)] * len(certified) if isinstance(tolerance, (int, float)) else list(tolerance)
    if not certified or len(bounds) != len(certified) or not all(bound > 0.0 for bound in bounds):
        raise CalibrationDataError("A wavelength check needs certified positions, and a tolerance above 0 for each.")
    names = [f"{position:.8g}" for position in certified]
    if len(found) != len(certified) or len(set(names)) != len(names):
        raise CalibrationDataError("Each certified position stands there once, with the position that was found.")
    apart = [float(at) - position for at, position in zip(found, certified, strict=True)]
    limits = {name: (-bound, bound) for name, bound in zip(names, bounds, strict=True)}
    return Verdict(dict(zip(names, apart, strict=True)), limits)


def photometric_linearity(
    observed: npt.ArrayLike,
    certified: npt.ArrayLike,
    *,
    slope: float = SLOPE,
    intercept: float = INTERCEPT,
) -> Verdict:
    """Slope and intercept of observed on certified values (n,) of a set of standards: 1 ± slope and 0 ± intercept.

    Reflectances, transmittances or absorbances, the same on both sides. Raises CalibrationDataError for fewer than
    three standards, or standards that are all alike.
    """
    y, x = np.asarray(observed, dtype=np.float64), np.asarray(certified, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.size < 3 or not np.ptp(x) > 0.0:
        raise CalibrationDataError("Photometric linearity needs at least three standards of different values.")
    spread = x - np.mean(x)
    b = float(np.sum(spread * y) / np.sum(spread**2))
    measured = {"slope": b, "intercept": float(np.mean(y) - b * np.mean(x))}
    return Verdict(measured, {"slope": (1.0 - slope, 1.0 + slope), "intercept": (-intercept, intercept)})


def noise(
    axis: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    windows: Sequence[tuple[float, float]],
    most: float | Sequence[float],
) -> Verdict:
    """RMS noise in windows (low, high) of the axis, from two scans (p,), (p,) of the same standard.

    The difference of the scans, less its mean in the window, divided by √2: that of one scan. most: one limit, or one
    for each window, in units of the spectrum. Raises CalibrationDataError for windows of fewer than ten channels.
    """
    x, one = _rising(axis, first)
    _, two = _rising(axis, second)
    bounds = [float(most)] * len(windows) if isinstance(most, (int, float)) else list(most)
    if not windows or len(bounds) != len(windows):
        raise CalibrationDataError("A noise check needs windows of the axis, and a limit for each.")
    measured, limits = {}, {}
    for (low, high), bound in zip(windows, bounds, strict=True):
        inside = (x >= low) & (x <= high)
        if np.count_nonzero(inside) < 10:
            raise CalibrationDataError(f"The window {low:g}-{high:g} holds fewer than ten channels.")
        name = f"{low:g}-{high:g}"
        measured[name] = float(np.std((one - two)[inside], ddof=1) / np.sqrt(2.0))
        limits[name] = (None, bound)
    return Verdict(measured, limits)


def lamp(hours: float, most: float) -> Verdict:
    """Hours of a lamp against those it is good for."""
    return Verdict({"hours": float(hours)}, {"hours": (0.0, float(most))})


def shift(axis: npt.ArrayLike, reference: npt.ArrayLike, spectrum: npt.ArrayLike, most: float) -> float:
    """By how much the bands of `spectrum` (p,) lie above those of `reference` (p,), in axis units, up to ± most.

    Where the correlation of the first derivatives is greatest, to a part of a channel by a parabola; so offset, slope
    and gain do not matter. The axis has to be evenly spaced. Raises CalibrationDataError; NaN when the greatest
    correlation is at the end of the range.
    """
    x, one = _rising(axis, reference)
    _, two = _rising(axis, spectrum)
    steps = np.diff(x)
    step = float(np.mean(steps))
    if np.max(np.abs(steps - step)) > 1e-3 * step:
        raise CalibrationDataError("A shift is found on an evenly spaced axis.")
    reach = int(np.ceil(most / step))
    if reach < 1 or x.size < 4 * reach + 10:
        raise CalibrationDataError(f"A shift of ± {most:g} needs an axis of at least {4 * reach + 10} channels.")
    a, b = np.gradient(one), np.gradient(two)
    inner = a[reach:-reach]
    lags = range(-reach, reach + 1)
    fits = np.array([np.corrcoef(inner, b[reach + lag : b.size - reach + lag])[0, 1] for lag in lags])
    top = int(np.argmax(fits))
    if top in (0, fits.size - 1) or not np.isfinite(fits).all():
        return float("nan")
    low, mid, high = fits[top - 1 : top + 2]
    return float((top - reach + 0.5 * (low - high) / (low - 2.0 * mid + high)) * step)


def _rising(axis: npt.ArrayLike, spectrum: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(axis, dtype=np.float64), np.asarray(spectrum, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationDataError("An axis and a spectrum are finite numbers, as many of one as of the other.")
    order = np.argsort(x, kind="stable")
    return x[order], y[order]
