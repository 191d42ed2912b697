"""From what was read of a standard to the verdict of `science.chemometrics.health`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.models import DataSet, HealthCheck
from baro.apps.pat.samples import load
from baro.science.chemometrics.health import (
    INTERCEPT,
    SLOPE,
    WAVELENGTH_NM,
    Verdict,
    lamp,
    noise,
    peak,
    photometric_linearity,
    wavelength_deviations,
)
from baro.science.errors import CalibrationDataError

Given = Mapping[str, Any]
MOST_LINES = 100
HALF_WIDTH = 10.0
"""How far from its certified position a band is looked for, in units of the axis."""

COLUMNS: dict[str, tuple[str, ...]] = {
    HealthCheck.Kind.WAVELENGTH: ("certified", "found"),
    HealthCheck.Kind.PHOTOMETRIC: ("certified", "observed"),
    HealthCheck.Kind.NOISE: ("low", "high", "rms", "most"),
    HealthCheck.Kind.LAMP: ("hours",),
}
"""kind: the lists of numbers of what is read, all of the same length; a found position of None is a band not there."""
SETTINGS: dict[str, dict[str, float | None]] = {
    HealthCheck.Kind.WAVELENGTH: {"tolerance": WAVELENGTH_NM},
    HealthCheck.Kind.PHOTOMETRIC: {"slope": SLOPE, "intercept": INTERCEPT},
    HealthCheck.Kind.NOISE: {},
    HealthCheck.Kind.LAMP: {"most": None},
}
"""kind: single numbers it is judged by, all above 0, with their defaults; None: it has to be said."""
COMPUTED: dict[str, tuple[str, int]] = {
    HealthCheck.Kind.WAVELENGTH: ("found", 1),
    HealthCheck.Kind.NOISE: ("rms", 2),
}
"""kind: the column that is computed when spectra of the standard are named, and how many spectra that takes."""
NAMES: dict[str, Promise] = {
    "certified": gettext_lazy("certified value"),
    "found": gettext_lazy("found position"),
    "observed": gettext_lazy("observed value"),
    "low": gettext_lazy("beginning of the window"),
    "high": gettext_lazy("end of the window"),
    "rms": gettext_lazy("RMS noise"),
    "most": gettext_lazy("upper limit"),
    "hours": gettext_lazy("hours"),
    "tolerance": gettext_lazy("tolerance"),
    "slope": gettext_lazy("tolerance of the slope"),
    "intercept": gettext_lazy("tolerance of the intercept"),
}


def verdict_of(kind: str, given: Given) -> tuple[Verdict, dict[str, Any]]:
    """The verdict of a check, and what was read in the form in which it is kept, with every setting.

    given: the `COLUMNS` of the kind as lists of numbers, and any of its `SETTINGS`. Instead of the `COMPUTED` column it
    may name spectra of the standard: ``data_set`` (its code) and ``samples`` (their names); then the column is computed
    from them. Call within the company's context. Raises DataInvalid.
    """
    if kind not in COLUMNS:
        raise DataInvalid(detail=_("a check names its kind and its standard"))
    computed = COMPUTED[kind][0] if kind in COMPUTED and "data_set" in given else ""
    read = [name for name in COLUMNS[kind] if name != computed]
    unknown = sorted(set(given) - {*read, *SETTINGS[kind], *(("data_set", "samples") if computed else ())})
    if unknown:
        raise DataInvalid(detail=_("%(name)s is nothing of this kind of check") % {"name": unknown[0]})
    settings = {name: _setting(name, given.get(name, default)) for name, default in SETTINGS[kind].items()}
    columns = {name: _column(name, given.get(name)) for name in read}
    if len({len(column) for column in columns.values()}) != 1:
        raise DataInvalid(detail=_("each line of a check has a number for each column"))
    kept: dict[str, Any] = {**columns, **settings}
    try:
        if computed:
            kept |= _computed(HealthCheck.Kind(kind), kept, given)
        return _VERDICTS[HealthCheck.Kind(kind)](kept), kept
    except CalibrationDataError as error:
        raise DataInvalid(detail=str(error).rstrip(".")) from error


def _computed(kind: HealthCheck.Kind, kept: Given, given: Given) -> dict[str, Any]:
    """The column that spectra of the standard give, and which spectra these were."""
    name, wanted = COMPUTED[kind]
    data_set = DataSet.objects.filter(code=given["data_set"]).first()
    if data_set is None:
        raise DataInvalid(detail=_("there is no data set %(name)s") % {"name": given["data_set"]})
    names = list(given.get("samples") or ())
    rows = load(data_set)
    places = [rows.sample.index(sample) for sample in names if sample in rows.sample]
    if len(names) != wanted or len(places) != wanted or len(set(places)) != wanted:
        raise DataInvalid(
            detail=_("this check takes %(count)s samples of the data set %(data_set)s, by their names")
            % {"count": wanted, "data_set": data_set.code}
        )
    spectra = rows.spectra[places].astype(np.float64)
    if kind == HealthCheck.Kind.WAVELENGTH:
        # a coarse axis has fewer than the five channels of a peak within that
        reach = max(HALF_WIDTH, 3.0 * float(np.ptp(rows.axis)) / (rows.axis.size - 1))
        found = [peak(rows.axis, spectra[0], position, reach) for position in kept["certified"]]
        column = [value if math.isfinite(value) else None for value in found]
    else:
        windows = _windows(kept)
        column = list(noise(rows.axis, spectra[0], spectra[1], windows, kept["most"]).measured.values())
    digests = [rows.spectrum_digests[place] for place in places]
    return {name: column, "data_set": data_set.code, "samples": names, "digests": digests}


def failed_values(check: HealthCheck) -> tuple[str, ...]:
    """Names of the values of a recorded check that were beyond their limits."""
    measured = {name: math.nan if value is None else value for name, value in check.measured.items()}
    return Verdict(measured, {name: tuple(bounds) for name, bounds in check.limits.items()}).failed


def _column(name: str, told: Any) -> list[float | None]:
    if not isinstance(told, Sequence) or isinstance(told, str) or not 1 <= len(told) <= MOST_LINES:
        raise DataInvalid(
            detail=_("%(name)s: from 1 to %(most)s numbers are needed") % {"name": NAMES[name], "most": MOST_LINES}
        )
    missing = name == "found"
    for value in told:
        if not (_is_number(value) or (missing and value is None)):
            raise DataInvalid(detail=_("%(name)s: value and limits have to be numbers") % {"name": NAMES[name]})
    return [None if value is None else float(value) for value in told]


def _setting(name: str, value: Any) -> float:
    if not _is_number(value) or value <= 0.0:
        raise DataInvalid(detail=_("%(name)s: a number above 0 is needed") % {"name": NAMES[name]})
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wavelength(kept: Given) -> Verdict:
    found = [math.nan if value is None else value for value in kept["found"]]
    return wavelength_deviations(found, kept["certified"], tolerance=kept["tolerance"])


def _photometric(kept: Given) -> Verdict:
    return photometric_linearity(kept["observed"], kept["certified"], slope=kept["slope"], intercept=kept["intercept"])


def _noise(kept: Given) -> Verdict:
    windows = [f"{low:g}-{high:g}" for low, high in _windows(kept)]
    limits = {name: (None, most) for name, most in zip(windows, kept["most"], strict=True)}
    return Verdict(dict(zip(windows, kept["rms"], strict=True)), limits)


def _windows(kept: Given) -> list[tuple[float, float]]:
    windows = list(zip(kept["low"], kept["high"], strict=True))
    if len({f"{low:g}-{high:g}" for low, high in windows}) != len(windows) or any(low >= high for low, high in windows):
        raise DataInvalid(detail=_("each window of a noise check stands there once, from low to high"))
    return windows


def _lamp(kept: Given) -> Verdict:
    if len(kept["hours"]) != 1:
        raise DataInvalid(detail=_("a lamp has one number of hours"))
    return lamp(kept["hours"][0], kept["most"])


_VERDICTS: dict[HealthCheck.Kind, Callable[[Given], Verdict]] = {
    HealthCheck.Kind.WAVELENGTH: _wavelength,
    HealthCheck.Kind.PHOTOMETRIC: _photometric,
    HealthCheck.Kind.NOISE: _noise,
    HealthCheck.Kind.LAMP: _lamp,
}
