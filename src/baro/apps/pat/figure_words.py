"""What figures of a validation, faults and levels are called, in the language of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.science import validation as science

FIGURES: dict[str, Promise] = {
    "n": _("Number of test samples"),
    "rmsep": _("RMSEP (root mean square error of prediction)"),
    "rmsep_upper": _("RMSEP, upper confidence limit"),
    "bias": _("Bias"),
    "sep": _("SEP (standard error, bias-corrected)"),
    "slope": _("Slope, predicted on reference"),
    "intercept": _("Intercept, predicted on reference"),
    "r2": _("R² (coefficient of determination)"),
    "rpd": _("RPD (SD of reference / SEP)"),
    "linearity_p": _("Linearity, p of slope 1 and intercept 0"),
    "recovery_low": _("Recovery, low level"),
    "recovery_middle": _("Recovery, middle level"),
    "recovery_high": _("Recovery, high level"),
    "repeatability": _("Repeatability (SD)"),
    "intermediate_precision": _("Intermediate precision (SD)"),
    "reference_ratio": _("SEP / error of the reference method"),
    "t2_alarms": _("Above the limit of T²"),
    "q_alarms": _("Above the limit of Q"),
    "outside": _("Outside the model (T² or Q)"),
    "unpredicted": _("Spectra without a value"),
    "specificity": _("Specificity: wrong samples refused"),
    "robustness": _("Robustness: largest rise of RMSEP"),
}
IN_UNIT = ("rmsep", "rmsep_upper", "bias", "sep", "intercept", "repeatability", "intermediate_precision")
IN_PERCENT = (
    "recovery_low",
    "recovery_middle",
    "recovery_high",
    "t2_alarms",
    "q_alarms",
    "outside",
    "specificity",
    "robustness",
)
FAULTS: dict[str, Promise] = {
    "noise": _("White noise (SD, share of the span)"),
    "shift": _("Axis shifted (channels)"),
    "offset": _("Baseline offset (share of the span)"),
    "scale": _("Scale changed (share)"),
    "slope": _("Baseline tilted (share of the span)"),
}
LEVELS: dict[str, Promise] = {"low": _("Low"), "middle": _("Middle"), "high": _("High")}


def figure_choices() -> list[tuple[str, str | Promise]]:
    """(figure, words) of every figure that a criterion can be set for, in their order."""
    return [(name, FIGURES[name]) for name in science.FIGURES]


def number(value: Any) -> str:
    """Four significant digits, as figures are read; an empty text for none."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def unit_of(figure: str, unit: str) -> str:
    """The unit of a figure, empty for a pure number."""
    return unit if figure in IN_UNIT else "%" if figure in IN_PERCENT else ""


def limit_words(criterion: Mapping[str, Any]) -> str:
    """A criterion's limit, as ≤ 2, ≥ 0.9 or -1 … 1."""
    if "low" in criterion:
        return f"{number(criterion['low'])} … {number(criterion['high'])}"
    limit = number(criterion["limit"])
    return {"at_most": f"≤ {limit}", "at_least": f"≥ {limit}"}.get(criterion["comparison"], f"-{limit} … {limit}")


def bar(criterion: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where limits and value stand on a small bar, in percent of its length; None without a value."""
    value = criterion.get("value")
    if value is None:
        return None
    low, high = ends(criterion)
    known = [one for one in (low, high, value) if one is not None]
    least, most = min([0.0, *known]), max(known)
    if low is not None and high is not None:
        least, most = min(low, value), max(high, value)
    room = 0.15 * (most - least) or 1.0
    least, most = least - room, most + room

    def at(one: float | None) -> float | None:
        return None if one is None else 100.0 * (one - least) / (most - least)

    return {"low": at(low), "high": at(high), "value": at(value), "beyond": ""}


def ends(criterion: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Lower and upper limit of a criterion."""
    if "low" in criterion:
        return criterion["low"], criterion["high"]
    limit = criterion["limit"]
    return {"at_most": (None, limit), "at_least": (limit, None)}.get(criterion["comparison"], (-limit, limit))
