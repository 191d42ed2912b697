"""The upkeep of models in use and the checks of analysers, by the REST interface."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema
from pydantic import FiniteFloat

from baro.apps.pat.attention import Look, look_at, looks, unit_of
from baro.apps.pat.checks import standing_checks
from baro.apps.pat.models import Deployment, HealthCheck, UpkeepAlarm
from baro.apps.pat.services import answer_alarm, record_health_check
from baro.apps.pat.suggesting import MOST_SUGGESTED, suggest
from baro.apps.pat.upkeep_words import advice_told, alarm_told, reason_told
from baro.apps.plant.models import Instrument

router = Router(tags=["pat"])
PAGE = 100
First = Query(0, ge=0, le=10**9)


class AdviceOut(Schema):
    """What to do, in words: `title`, and why."""

    code: str
    state: str
    title: str
    text: str


class RateOut(Schema):
    """Spectra beyond one limit: `count` of `of`, the interval of the share, and the most that chance gives."""

    count: int
    of: int
    share: float
    low: float
    high: float
    most: int
    alarm: bool


class LotRateOut(Schema):
    """A lot's spectra beyond T² and Q."""

    lot_no: str
    t2: RateOut
    q: RateOut


class LookOut(Schema):
    """A model in use at a glance. state: `failed`, `needs_review` or `met`; unit: of bias and its limit."""

    deployment: UUID
    model: str
    version: int
    instrument: str
    role: str
    state: str
    unit: str
    tests: int
    last_test: datetime | None
    bias: float | None
    bias_limit: float | None
    newest_lot: LotRateOut | None
    open_alarms: int
    failed_checks: list[UUID]
    advice: list[AdviceOut]


class PointOut(Schema):
    """A parallel test in both charts. CUSUM sums and limit are in standard deviations, all else in the unit."""

    test: UUID
    lot_no: str
    sample: str
    measured_at: datetime
    predicted: float
    reference: float
    difference: float
    ewma: float | None
    ewma_low: float | None
    ewma_high: float | None
    ewma_alarm: bool | None
    cusum_upper: float | None
    cusum_lower: float | None
    cusum_limit: float | None
    cusum_alarm: bool | None


class DriftOut(LookOut):
    """A model in use with its charts. sigma: standard deviation of differences when it was validated."""

    sigma: float
    sigma_from: str
    points: list[PointOut]
    agreement: dict[str, Any] | None = Field(description="Tests of bias, scatter and slope after ISO 12099.")
    lots: list[LotRateOut]


class SuggestedOut(Schema):
    """A unit worth a reference value. why: `outside`, `beyond`, `far` or `fills`; text: the same in words."""

    lot: str
    sample: str
    spectrum_digest: str
    why: str
    text: str
    facts: dict[str, Any]


class SuggestionsOut(Schema):
    """The best units first, of so many candidates of these lots or batches."""

    candidates: int
    lots: list[str]
    units: list[SuggestedOut]


class AlarmOut(Schema):
    """Something that speaks against a model in use. text: its detail in words."""

    id: UUID
    deployment: UUID
    kind: str
    text: str
    detail: dict[str, Any]
    raised_at: datetime
    answered_by: str | None
    answered_at: datetime | None
    answer: str


class AnswerIn(Schema):
    """What was found and done about an alarm."""

    answer: str = Field(min_length=1, max_length=2000)
    reason: str = Field(min_length=1, max_length=500)


class CheckOut(Schema):
    """A check of an analyser against a standard. A measured value of null was not found; limits: low and high."""

    id: UUID
    instrument: str
    kind: str
    standard: str
    given: dict[str, Any]
    measured: dict[str, float | None]
    limits: dict[str, list[float | None]]
    passed: bool
    checked_by: str | None
    recorded_at: datetime


class AnalyserOut(Schema):
    """An analyser with the newest check of each kind with each standard. passed: None without any check."""

    instrument: str
    source: str
    passed: bool | None
    checks: list[CheckOut]


Numbers = list[FiniteFloat]


class CheckIn(Schema):
    """What was read of a standard: the lists and numbers of its kind, no others. The verdict is computed."""

    instrument: str = Field(min_length=1, max_length=50)
    kind: Literal["wavelength", "photometric", "noise", "lamp"]
    standard: str = Field(min_length=1, max_length=200)
    certified: Numbers | None = Field(None, max_length=100, description="wavelength, photometric")
    found: list[FiniteFloat | None] | None = Field(
        None, max_length=100, description="wavelength: one for each certified position, null for a band not there"
    )
    tolerance: FiniteFloat | None = Field(None, description="wavelength; 1")
    observed: Numbers | None = Field(None, max_length=100, description="photometric")
    slope: FiniteFloat | None = Field(None, description="photometric: 1 ± slope; 0.05")
    intercept: FiniteFloat | None = Field(None, description="photometric: 0 ± intercept; 0.05")
    low: Numbers | None = Field(None, max_length=100, description="noise: beginnings of the windows")
    high: Numbers | None = Field(None, max_length=100, description="noise: ends of the windows")
    rms: Numbers | None = Field(None, max_length=100, description="noise: RMS noise of one scan in each window")
    most: FiniteFloat | Numbers | None = Field(None, description="noise: one a window; lamp: hours it is good for")
    hours: FiniteFloat | None = Field(None, description="lamp")
    data_set: str | None = Field(
        None, max_length=50, description="wavelength, noise: spectra of the standard, instead of `found` or `rms`"
    )
    samples: list[str] | None = Field(None, max_length=2, description="which of it: one, for noise two")
    reason: str = Field(min_length=1, max_length=500)


@router.get("/upkeep", response=list[LookOut], summary="Models in use, those that need somebody first")
def upkeep(request: HttpRequest) -> list[dict[str, Any]]:
    return [_look(one) for one in looks()]


@router.get("/upkeep/{deployment_id}", response=DriftOut, summary="A model in use with its drift charts")
def drift(request: HttpRequest, deployment_id: UUID) -> dict[str, Any]:
    look = look_at(_deployment(deployment_id))
    found = look.drift
    return _look(look) | {
        "sigma": found.sigma,
        "sigma_from": found.sigma_from,
        "points": _points(look),
        "agreement": asdict(found.agreement) if found.agreement else None,
        "lots": [asdict(one) for one in found.rates],
    }


@router.get(
    "/upkeep/{deployment_id}/next-samples", response=SuggestionsOut, summary="Units worth a reference value, best first"
)
def next_samples(
    request: HttpRequest,
    deployment_id: UUID,
    count: int = Query(10, ge=1, le=MOST_SUGGESTED),
    lot: str = Query("", max_length=100),
    data_set: str = Query("", max_length=50),
) -> dict[str, Any]:
    deployment = _deployment(deployment_id)
    found = suggest(deployment, count, lot=lot, data_set=data_set)
    units = [
        {
            "lot": one.unit.lot,
            "sample": one.unit.sample,
            "spectrum_digest": one.unit.digest,
            "why": one.why,
            "text": reason_told(one, unit_of(deployment))[1],
            "facts": one.facts,
        }
        for one in found.units
    ]
    return {"candidates": found.candidates, "lots": list(found.lots), "units": units}


@router.get("/alarms", response=list[AlarmOut], summary="Alarms of models in use, newest first")
def alarms(request: HttpRequest, open: bool = False, first: int = First) -> list[dict[str, Any]]:
    found = _alarms().filter(answered_at=None) if open else _alarms()
    return [_alarm(one) for one in found[first : first + PAGE]]


@router.post("/alarms/{alarm_id}/answer", response=AlarmOut, summary="Say what was found and done about an alarm")
def answer(request: HttpRequest, alarm_id: UUID, told: AnswerIn) -> dict[str, Any]:
    get_object_or_404(UpkeepAlarm, id=alarm_id)
    answer_alarm(request.user, alarm_id, told.answer, told.reason)
    return _alarm(_alarms().get(id=alarm_id))


@router.get("/analysers", response=list[AnalyserOut], summary="Analysers with their newest checks")
def analysers(request: HttpRequest) -> list[dict[str, Any]]:
    found = []
    for instrument in Instrument.objects.order_by("code"):
        checks = standing_checks(instrument)
        passed = all(one.passed for one in checks) if checks else None
        told = [_check(one, instrument.code) for one in checks]
        found.append({"instrument": instrument.code, "source": instrument.source, "passed": passed, "checks": told})
    return found


@router.get("/health-checks", response=list[CheckOut], summary="Checks of an analyser, newest first")
def health_checks(
    request: HttpRequest, instrument: str = Query(max_length=50), first: int = First
) -> list[dict[str, Any]]:
    found = HealthCheck.objects.filter(instrument__code=instrument).select_related("checked_by")
    return [_check(one, instrument) for one in found.order_by("-recorded_at")[first : first + PAGE]]


@router.post("/health-checks", response=CheckOut, summary="Record a check of an analyser against a standard")
def health_check(request: HttpRequest, told: CheckIn) -> dict[str, Any]:
    instrument = get_object_or_404(Instrument, code=told.instrument)
    given = told.dict(exclude={"instrument", "kind", "standard", "reason"}, exclude_none=True)
    if "hours" in given:
        given["hours"] = [given["hours"]]
    # a position that was not found is null and stays
    made = record_health_check(request.user, instrument, told.kind, told.standard, given, told.reason)
    return _check(made, instrument.code)


def _deployment(deployment_id: UUID) -> Deployment:
    found = Deployment.objects.select_related("model__method", "instrument")
    return get_object_or_404(found.defer("model__arrays", "model__description"), id=deployment_id)


def _look(look: Look) -> dict[str, Any]:
    deployment, compared = look.deployment, look.drift.agreement
    unit = unit_of(deployment)
    return {
        "deployment": deployment.id,
        "model": deployment.model.code,
        "version": deployment.model.version,
        "instrument": deployment.instrument.code,
        "role": deployment.role,
        "state": look.state,
        "unit": unit,
        "tests": len(look.drift.tests),
        "last_test": look.last_test,
        "bias": compared.bias if compared else None,
        "bias_limit": compared.bias_limit if compared else None,
        "newest_lot": asdict(look.drift.rates[-1]) if look.drift.rates else None,
        "open_alarms": len(look.alarms),
        "failed_checks": [one.id for one in look.failed],
        "advice": [
            {"code": one.code, "state": one.state, "title": title, "text": text}
            for one, (title, text) in ((one, advice_told(one, unit)) for one in look.advice)
        ],
    }


def _points(look: Look) -> list[dict[str, Any]]:
    drift = look.drift
    charted = zip(drift.ewma, drift.cusum, strict=True) if drift.ewma else ((None, None) for _test in drift.tests)
    return [
        {
            "test": test.id,
            "lot_no": test.lot_no,
            "sample": test.sample,
            "measured_at": test.measured_at,
            "predicted": test.predicted,
            "reference": test.reference,
            "difference": test.predicted - test.reference,
            "ewma": ewma and ewma.value,
            "ewma_low": ewma and ewma.low,
            "ewma_high": ewma and ewma.high,
            "ewma_alarm": ewma and ewma.alarm,
            "cusum_upper": cusum and cusum.upper,
            "cusum_lower": cusum and cusum.lower,
            "cusum_limit": cusum and cusum.high,
            "cusum_alarm": cusum and cusum.alarm,
        }
        for test, (ewma, cusum) in zip(drift.tests, charted, strict=True)
    ]


def _alarms() -> Any:
    found = UpkeepAlarm.objects.select_related("deployment__model__method", "answered_by").order_by("-raised_at", "id")
    return found.defer("deployment__model__arrays", "deployment__model__description")


def _alarm(one: UpkeepAlarm) -> dict[str, Any]:
    names = ("id", "kind", "detail", "raised_at", "answered_at", "answer")
    return {name: getattr(one, name) for name in names} | {
        "deployment": one.deployment_id,
        "text": alarm_told(one, unit_of(one.deployment)),
        "answered_by": one.answered_by.name if one.answered_by else None,
    }


def _check(one: HealthCheck, instrument: str) -> dict[str, Any]:
    names = ("id", "kind", "standard", "given", "measured", "limits", "passed", "recorded_at")
    return {name: getattr(one, name) for name in names} | {
        "instrument": instrument,
        "checked_by": one.checked_by.name if one.checked_by else None,
    }
