"""Analysers: whether each passed its last checks against standards, how the checks went over time, and new ones."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.pat import services
from baro.apps.pat.checks import standing_checks
from baro.apps.pat.figure_words import number as shown
from baro.apps.pat.models import DataSet, Deployment, HealthCheck
from baro.apps.pat.pages.asking import REASON, Field, dialog, lines, number
from baro.apps.pat.standards import COLUMNS, COMPUTED, SETTINGS, failed_values
from baro.apps.pat.upkeep_plots import chart_words, check_charts, value_word
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument

STATES = {
    "failed": ("✕", gettext_lazy("not passed")),
    "met": ("✓", gettext_lazy("passed")),
    "collecting": ("–", gettext_lazy("no check on record")),
}
LISTED = 100
SETTING_WORDS = {
    "tolerance": gettext_lazy("Tolerance (±)"),
    "slope": gettext_lazy("Slope: 1 ±"),
    "intercept": gettext_lazy("Intercept: 0 ±"),
    "most": gettext_lazy("Most hours"),
}
ROW_WORDS = {
    HealthCheck.Kind.WAVELENGTH: (
        gettext_lazy("Bands of the standard"),
        gettext_lazy("(one a line: certified position, found position; - for a band that is not there)"),
    ),
    HealthCheck.Kind.PHOTOMETRIC: (
        gettext_lazy("Standards"),
        gettext_lazy("(one a line: certified value, observed value; at least three)"),
    ),
    HealthCheck.Kind.NOISE: (
        gettext_lazy("Windows of the axis"),
        gettext_lazy("(one a line: from, to, RMS noise of one scan, most)"),
    ),
    HealthCheck.Kind.LAMP: (gettext_lazy("Hours of the lamp"), ""),
}


@require_GET
def analysers(request: HttpRequest) -> HttpResponse:
    """Every analyser with the newest check of each kind with each standard, those that failed one first."""
    rows = []
    for instrument in Instrument.objects.select_related("equipment").order_by("code"):
        checks = standing_checks(instrument)
        active = Deployment.objects.filter(instrument=instrument, state=Deployment.State.ACTIVE)
        rows.append(
            {
                "instrument": instrument,
                **_stand(checks),
                "checks": [(check, *_verdict(check)) for check in checks],
                "models": active.select_related("model").defer("model__arrays", "model__description"),
            }
        )
    rows.sort(key=lambda row: list(STATES).index(row["state"]))
    return render(request, "pat/health_list.html", {"section": "pat-health", "rows": rows})


@require_GET
def analyser(request: HttpRequest, code: str) -> HttpResponse:
    """One analyser: its newest verdicts, its checks over time with their limits, and what they mean."""
    found = get_object_or_404(Instrument.objects.select_related("equipment"), code=code)
    checks = list(found.health_checks.select_related("checked_by").order_by("recorded_at"))
    standing = standing_checks(found)
    page: dict[str, Any] = {
        "section": "pat-health",
        "instrument": found,
        **_stand(standing),
        "standing": [(check, *_verdict(check), _values(check)) for check in standing],
        "checks": [(check, *_verdict(check), _values(check)) for check in reversed(checks[-LISTED:])],
        "data": {"charts": check_charts(checks)},
        "words": chart_words(""),
        "kinds": HealthCheck.Kind.choices,
        "enters": request.user.may(Permission.ENTER_REFERENCE),
        "why_not": "" if request.user.may(Permission.ENTER_REFERENCE) else _refusal(request),
    }
    return render(request, "pat/health.html", page)


@require_http_methods(["GET", "POST"])
def check(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that records a check of the kind `?kind=`: what was read; the verdict is computed."""
    found = get_object_or_404(Instrument, code=code)
    kind = request.GET.get("kind", "")
    if kind not in HealthCheck.Kind.values:
        raise Http404
    if not request.user.may(Permission.ENTER_REFERENCE):
        raise request.user.why_not(Permission.ENTER_REFERENCE)
    last = found.health_checks.filter(kind=kind).order_by("recorded_at").last()
    before = last.given if last else {}
    label, hint = ROW_WORDS[HealthCheck.Kind(kind)]
    typed_kind = "number" if kind == HealthCheck.Kind.LAMP else "textarea"
    fields = [
        Field("standard", _("Standard"), value=last.standard if last else "", hint=_("(name and number of the piece)")),
        Field("rows", label, typed_kind, _lines_before(kind, before), hint=hint),
        *(_spectra_fields(found) if kind in COMPUTED else ()),
        *(
            Field(name, SETTING_WORDS[name], "number", _setting(before.get(name, default)))
            for name, default in SETTINGS[kind].items()
        ),
        REASON,
    ]

    def act(typed: dict[str, str]) -> None:
        code = typed.get("data_set", "")
        columns = [name for name in COLUMNS[kind] if not code or name != COMPUTED[kind][0]]
        rows = lines(typed["rows"], str(label), len(columns), len(columns))
        given: dict[str, Any] = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
        if code:
            given |= {"data_set": code, "samples": [name.strip() for name in typed["samples"].split(",")]}
        given |= {name: number(typed[name], str(SETTING_WORDS[name])) for name in SETTINGS[kind]}
        services.record_health_check(request.user, found, kind, typed["standard"], given, typed["reason"])

    note = _(
        "The verdict is computed from what was read. Take limits from the edition of the pharmacopoeia in force."
        " A check that is not passed raises an alarm, and what the analyser measures is no evidence until one with the"
        " same standard is passed."
    )
    title = f"{_('Record a check')}: {HealthCheck.Kind(kind).label}"
    return dialog(request, title, _("Record the check"), fields, act, note=note, name="check")


def _spectra_fields(instrument: Instrument) -> list[Field]:
    """Spectra of the standard, instead of what the program of the instrument found in them."""
    sets = DataSet.objects.filter(instrument=instrument).order_by("code").values_list("code", flat=True)
    return [
        Field(
            "data_set",
            _("Spectra of the standard"),
            "select",
            options=[("", _("none; the values were read")), *((code, code) for code in sets)],
            hint=_("(a data set: then leave out what is computed of it, found position or RMS noise)"),
            required=False,
        ),
        Field(
            "samples",
            _("Samples in it"),
            hint=_("(wavelength: one; noise: two scans, with a comma between)"),
            required=False,
        ),
    ]


def _stand(checks: list[HealthCheck]) -> dict[str, Any]:
    state = "collecting" if not checks else "met" if all(check.passed for check in checks) else "failed"
    shape, word = STATES[state]
    return {"state": state, "shape": shape, "word": word}


def _verdict(check: HealthCheck) -> tuple[str, str, Any]:
    state = "met" if check.passed else "failed"
    return (state, *STATES[state])


def _values(check: HealthCheck) -> list[tuple[str, str, str, bool]]:
    """(name, value, limits, whether it is within them) of each measured value."""
    failed = failed_values(check)
    found = []
    for name, value in check.measured.items():
        low, high = check.limits[name]
        told = f"{shown(low)} … {shown(high)}" if low is not None and high is not None else f"≤ {shown(high)}"
        found.append((value_word(name), _("not found") if value is None else shown(value), told, name not in failed))
    return found


def _lines_before(kind: str, before: dict[str, Any]) -> str:
    """Certified values and windows of the last check, so that only what was read now is to be typed."""
    if kind == HealthCheck.Kind.NOISE:
        parts = zip(before.get("low", ()), before.get("high", ()), before.get("most", ()), strict=True)
        return "\n".join(f"{low:g} {high:g}  {most:g}" for low, high, most in parts)
    return "\n".join(f"{value:.10g} " for value in before.get("certified", ()))


def _setting(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _refusal(request: HttpRequest) -> str:
    return str(request.user.why_not(Permission.ENTER_REFERENCE).text)
