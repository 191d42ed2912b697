"""Models in use: which one needs somebody, how each does, what to measure next, and results of the reference method."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.naming import zone_name
from baro.apps.pat import services
from baro.apps.pat.attention import Look, look_at, looks, unit_of
from baro.apps.pat.figure_words import number as shown
from baro.apps.pat.models import DataSet, Deployment, UpkeepAlarm
from baro.apps.pat.pages.asking import REASON, Field, dialog, moment, number
from baro.apps.pat.plots import identity_of
from baro.apps.pat.suggesting import suggest
from baro.apps.pat.upkeep_plots import chart_words, drift_data
from baro.apps.pat.upkeep_words import advice_told, alarm_told, reason_told
from baro.apps.people.roles import Permission

STATES = {
    "failed": ("✕", gettext_lazy("needs attention")),
    "needs_review": ("!", gettext_lazy("incomplete")),
    "met": ("✓", gettext_lazy("in order")),
}
"""state: shape and word."""
SUGGESTED, ALARMS = 10, 20


@require_GET
def models(request: HttpRequest) -> HttpResponse:
    """Every model in use, those that need somebody first."""
    rows = [_row(look) for look in looks()]
    counts = [(state, *STATES[state], sum(row["state"] == state for row in rows)) for state in STATES]
    return render(request, "pat/upkeep_list.html", {"section": "pat-upkeep", "rows": rows, "counts": counts})


@require_GET
def model(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """One model in use: what to do, its charts, its alarms, and its parallel tests."""
    found = _found(deployment_id)
    look = look_at(found)
    unit = unit_of(found)
    alarms = found.alarms.select_related("answered_by")[:ALARMS]
    page: dict[str, Any] = {
        "section": "pat-upkeep",
        "deployment": found,
        "look": look,
        "unit": unit,
        "state": look.state,
        "shape": STATES[look.state][0],
        "word": STATES[look.state][1],
        "advice": [(one, *STATES[one.state], *advice_told(one, unit)) for one in look.advice],
        "alarms": [(alarm, alarm_told(alarm, unit)) for alarm in alarms],
        "figures": _figures(look, unit),
        "tests": list(reversed(list(zip(look.drift.tests, _differences(look), strict=True)))),
        "identity": f"{identity_of(found.model, found.model.data_set)} · {found.instrument.code}",
        "data": drift_data(look.drift),
        "words": chart_words(unit),
        # only they may hold samples without a reference value
        "sets": DataSet.objects.filter(purpose=DataSet.Purpose.TRANSFER, axis_digest=found.model.axis_digest),
        "enters": request.user.may(Permission.ENTER_REFERENCE),
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": _why_not(request, Permission.ENTER_REFERENCE),
        "why_not_answer": _why_not(request, Permission.DEVELOP_MODEL),
    }
    return render(request, "pat/upkeep.html", page)


@require_GET
def next_samples(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The part of the page with the units worth measuring next: of the newest lots, of `lot`, or of `data_set`."""
    found = _found(deployment_id)
    unit = unit_of(found)
    lot, data_set = (request.GET.get(name, "").strip()[:100] for name in ("lot", "data_set"))
    page: dict[str, Any] = {"deployment": found, "unit": unit, "enters": request.user.may(Permission.ENTER_REFERENCE)}
    try:
        suggestions = suggest(found, SUGGESTED, lot=lot, data_set=data_set)
    except BaroError as error:
        return render(request, "pat/next_samples.html", page | {"error": error}, status=error.status)
    units = [(one, shown(one.facts["value"]), *reason_told(one, unit)) for one in suggestions.units]
    return render(request, "pat/next_samples.html", page | {"suggestions": suggestions, "units": units})


@require_http_methods(["GET", "POST"])
def parallel_test(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The dialog that records what the reference method found of a unit that was predicted."""
    found = _found(deployment_id)
    _needs(request, Permission.ENTER_REFERENCE)
    unit = unit_of(found)
    given = {name: request.GET.get(name, "")[:100] for name in ("lot", "sample", "digest")}
    now = f"{timezone.localtime():%Y-%m-%dT%H:%M}"
    fields = [
        Field("lot", _("Lot"), value=given["lot"]),
        Field("sample", _("Sample"), value=given["sample"]),
        Field("reference", f"{_('Reference value')} ({unit})", "number"),
        Field("measured_at", f"{_('Measured at')} ({zone_name(timezone.now())})", "time", now),
        Field(
            "digest",
            _("Digest of the spectrum"),
            value=given["digest"],
            hint=_("(only when the sample has several spectra)"),
            required=False,
        ),
        REASON,
    ]

    def act(typed: dict[str, str]) -> None:
        value = number(typed["reference"], _("Reference value"))
        services.record_parallel_test(
            request.user,
            found,
            lot_no=typed["lot"].strip(),
            sample=typed["sample"].strip(),
            reference=float("nan") if value is None else value,
            measured_at=moment(typed["measured_at"], _("Measured at")),
            reason=typed["reason"],
            spectrum_digest=typed["digest"].strip().lower(),
        )

    note = _("The predicted value is taken from the stored prediction; nobody enters it.")
    return dialog(
        request, _("Record a parallel test"), _("Record the result"), fields, act, note=note, name="parallel-test"
    )


@require_http_methods(["GET", "POST"])
def answer(request: HttpRequest, alarm_id: UUID) -> HttpResponse:
    """The dialog that answers an alarm: what was found and done."""
    alarms = UpkeepAlarm.objects.select_related("deployment__model__method")
    alarm = get_object_or_404(alarms.defer("deployment__model__arrays", "deployment__model__description"), id=alarm_id)
    _needs(request, Permission.DEVELOP_MODEL)

    def act(typed: dict[str, str]) -> None:
        services.answer_alarm(request.user, alarm.id, typed["answer"], typed["reason"])

    told = f"{alarm.get_kind_display()}. {alarm_told(alarm, unit_of(alarm.deployment))}"
    fields = [Field("answer", _("What was found and done"), "textarea"), REASON]
    return dialog(request, _("Answer the alarm"), _("Answer"), fields, act, note=told, name="answer")


def _row(look: Look) -> dict[str, Any]:
    unit = unit_of(look.deployment)
    drift = look.drift
    shape, word = STATES[look.state]
    return {
        "look": look,
        "deployment": look.deployment,
        "state": look.state,
        "shape": shape,
        "word": word,
        "unit": unit,
        "bias": shown(drift.agreement.bias) if drift.agreement else "",
        "bias_limit": shown(drift.agreement.bias_limit) if drift.agreement else "",
        "course": [point.value for point in drift.ewma],
        "low": drift.ewma[-1].low if drift.ewma else None,
        "high": drift.ewma[-1].high if drift.ewma else None,
        "rate": drift.rates[-1] if drift.rates else None,
        "advice": [advice_told(one, unit)[0] for one in look.advice],
        "address": reverse("pat-upkeep:model", args=[look.deployment.id]),
    }


def _figures(look: Look, unit: str) -> list[tuple[str, str, str]]:
    """(name, value, what it is held against) of the comparison with the reference method."""
    found = look.drift.agreement
    sources = {
        "validation": _("standard deviation at the validation"),
        "cross_validation": _("standard deviation of the cross-validation"),
    }
    figures = [("σ", f"{shown(look.drift.sigma)} {unit}", sources[look.drift.sigma_from])]
    if found:
        interval = f"95 %: {shown(found.bias_low)} … {shown(found.bias_high)} {unit}"
        if found.margin is not None:
            told = _("inside") if found.equivalent else _("not proven inside")
            interval += f"; {told} ± {shown(found.margin)} {unit}"
        figures += [
            (_("Bias"), f"{shown(found.bias)} {unit}", interval),
            ("SEP", f"{shown(found.sep)} {unit}", f"≤ {shown(found.sep_limit)} {unit}"),
            (_("Slope"), shown(found.slope), f"95 %: {shown(found.slope_low)} … {shown(found.slope_high)}"),
        ]
    return figures


def _differences(look: Look) -> list[str]:
    return [shown(test.predicted - test.reference) for test in look.drift.tests]


def _found(deployment_id: UUID) -> Deployment:
    found = Deployment.objects.select_related("model__method", "model__data_set", "instrument")
    return get_object_or_404(found.defer("model__arrays", "model__description"), id=deployment_id)


def _needs(request: HttpRequest, permission: Permission) -> None:
    if not request.user.may(permission):
        raise request.user.why_not(permission)


def _why_not(request: HttpRequest, permission: Permission) -> str:
    return "" if request.user.may(permission) else str(request.user.why_not(permission).text)
