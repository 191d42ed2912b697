"""What the charts of the upkeep of a model and of the checks of an analyser show, as data for the page's script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.ledger.naming import zone_name
from baro.apps.pat.drifting import Drift, LotRate
from baro.apps.pat.models import HealthCheck
from baro.science.chemometrics.drift import Rate
from baro.science.chemometrics.limits import OUTLIER

MOST_CHECKS = 500


def chart_words(unit: str) -> dict[str, str]:
    """Words of the charts' script."""
    return {
        "test": _("Parallel test"),
        "time": _("Time"),
        "difference": _("Predicted − reference (%(unit)s)") % {"unit": unit},
        "sums": _("Cumulative sum (σ)"),
        "share": _("Share outside (%)"),
        "expected": _("expected %(share)s"),
        "band": _("by chance at most"),
        "lot": _("Lot"),
        "sample": _("Sample"),
        "of": _("Spectra"),
        "outside": _("Outside"),
        "interval": _("95 % interval"),
        "yes": _("yes"),
        "no": _("no"),
        "beyond": _("Beyond the limit"),
        "lower": _("from"),
        "upper": _("to"),
        "not_found": _("not found"),
        "predicted": _("Predicted"),
        "reference": _("Reference value"),
        "difference_head": _("Difference"),
    }


def drift_data(drift: Drift) -> dict[str, Any]:
    """Columns of the charts of a model: one value a parallel test, one a lot. Times are those of the plant."""
    differences = [test.predicted - test.reference for test in drift.tests]
    return {
        "tests": {
            "at": [f"{timezone.localtime(test.measured_at):%Y-%m-%d %H:%M}" for test in drift.tests],
            "lot": [test.lot_no for test in drift.tests],
            "sample": [test.sample for test in drift.tests],
            "predicted": [test.predicted for test in drift.tests],
            "reference": [test.reference for test in drift.tests],
            "difference": differences,
        },
        "zone": zone_name(timezone.now()),
        "sigma": drift.sigma,
        "ewma": {
            "value": [point.value for point in drift.ewma],
            "low": [point.low for point in drift.ewma],
            "high": [point.high for point in drift.ewma],
            "alarm": [point.alarm for point in drift.ewma],
        },
        "cusum": {
            "upper": [point.upper for point in drift.cusum],
            "lower": [point.lower for point in drift.cusum],
            "limit": drift.cusum[0].high if drift.cusum else None,
            "alarm": [point.alarm for point in drift.cusum],
        },
        "nominal": OUTLIER,
        "lots": [rate.lot_no for rate in drift.rates],
        "rates": {"t2": _rates(drift.rates, "t2"), "q": _rates(drift.rates, "q")},
    }


def _rates(rates: Iterable[LotRate], name: str) -> dict[str, Any]:
    found: list[Rate] = [getattr(one, name) for one in rates]
    return {
        "count": [one.count for one in found],
        "of": [one.of for one in found],
        "share": [one.share for one in found],
        "low": [one.low for one in found],
        "high": [one.high for one in found],
        "most": [one.most for one in found],
        "alarm": [one.alarm for one in found],
    }


def check_charts(checks: Iterable[HealthCheck]) -> list[dict[str, Any]]:
    """One chart for each kind and standard, and for each set of values of it that share their limits; in the order of
    kinds. checks: of one analyser, the oldest first."""
    groups: dict[tuple[str, str], list[HealthCheck]] = {}
    for check in list(checks)[-MOST_CHECKS:]:
        groups.setdefault((check.kind, check.standard.casefold()), []).append(check)
    order = list(HealthCheck.Kind.values)
    charts = []
    for (kind, _standard), found in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        newest = found[-1]
        sharing: dict[tuple[Any, ...], list[str]] = {}
        for name, bounds in newest.limits.items():
            sharing.setdefault(tuple(bounds), []).append(name)
        for bounds, names in sharing.items():
            charts.append(_check_chart(kind, newest, found, names, bounds))
    return charts


def _check_chart(
    kind: str, newest: HealthCheck, found: list[HealthCheck], names: list[str], bounds: tuple[Any, ...]
) -> dict[str, Any]:
    title = f"{newest.get_kind_display()} · {newest.standard}"
    if kind == HealthCheck.Kind.PHOTOMETRIC:
        title += f" · {value_word(names[0])}"
    ends: list[list[float | None]] = [[], []]
    for check in found:
        own = check.limits.get(names[0], bounds)
        ends[0].append(own[0])
        ends[1].append(own[1])
    return {
        "title": title,
        "axis": axis_word(kind, names[0]),
        "at": [f"{timezone.localtime(check.recorded_at):%Y-%m-%d %H:%M:%S}" for check in found],
        "series": [
            {"name": value_word(name), "value": [check.measured.get(name) for check in found]} for name in names
        ],
        "low": ends[0],
        "high": ends[1],
        "passed": [check.passed for check in found],
    }


def axis_word(kind: str, name: str) -> str:
    """What the values of a kind of check are."""
    return {
        HealthCheck.Kind.WAVELENGTH: _("Found − certified (units of the axis)"),
        HealthCheck.Kind.PHOTOMETRIC: value_word(name),
        HealthCheck.Kind.NOISE: _("RMS noise (units of the spectrum)"),
        HealthCheck.Kind.LAMP: _("Hours of the lamp"),
    }[HealthCheck.Kind(kind)]


def value_word(name: str) -> str:
    """The name of a measured value: a word for those that have one, else the position or window itself."""
    return {"slope": _("Slope"), "intercept": _("Intercept"), "hours": _("hours")}.get(name, name)
