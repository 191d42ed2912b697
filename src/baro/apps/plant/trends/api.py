"""Trends by the REST interface: which series there are, and their curves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import numpy as np
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.context.models import ContextInterval
from baro.apps.plant.queries import historian
from baro.apps.plant.trends.asked import MOST_POINTS, MOST_TAGS, Asked, named
from baro.apps.plant.trends.curves import Curve, Shown, Timeline, shown
from baro.apps.plant.trends.known import Series, search
from baro.apps.plant.trends.models import Annotation
from baro.historian.catalogue import GapRow

router = Router(tags=["trends"])
MOST_FOUND = 200


class SeriesOut(Schema):
    """A series to choose. `ref` is its name in other addresses: source and tag, percent-encoded, with / between."""

    ref: str
    source: str
    tag: str
    form: str = Field(description="number, text or array")
    title: str = Field(description="In the language of the person.")
    name_ko: str
    name_en: str
    unit: str
    low: float | None = Field(description="Where its normal range begins.")
    high: float | None
    decimals: int | None
    equipment: str
    states: list[str] = Field(description="Of a state: words of its numbers 0, 1, 2, ...")
    last: datetime | None = Field(description="No later than this came the newest sample.")


class FoundOut(Schema):
    """The series that were found, `total` of them; and the sources of spectra."""

    series: list[SeriesOut]
    total: int
    spectra: list[str]


class CurveOut(Schema):
    """A curve. Times are milliseconds since 1970 (UTC). Of spans (`step_ms` long, named by their beginning) `value` is
    the mean and `low`, `high` the extremes; of samples all three are the value. null: nothing that counts.
    `quality`: the worst OPC UA status code, null when all are good."""

    series: SeriesOut
    step_ms: float | None
    samples: int
    reduced: int = Field(description="How many samples stand behind one point that is drawn.")
    silence_ms: float = Field(description="A pause that is longer is to be drawn as one.")
    time: list[float]
    value: list[float | None]
    low: list[float | None]
    high: list[float | None]
    quality: list[int] | None


class TimelineOut(Schema):
    """States or texts, and from when to when each held."""

    series: SeriesOut
    start: list[float]
    end: list[float]
    text: list[str]
    quality: list[int]
    left_out: int


class GapOut(Schema):
    """A stretch of time in which observations of a source are missing; `end` is null while it is open."""

    source: str
    start: float
    end: float | None
    reason: str
    missing: int | None = Field(description="Numbered observations that are missing; null where nobody can say.")


class IntervalOut(Schema):
    """What a unit of equipment did from `start` to `end` (ms; null while it goes on), as it stands now."""

    id: UUID
    equipment: str
    level: str = Field(description="batch, unit_procedure, operation or phase")
    lot_no: str
    name: str
    start: float
    end: float | None
    reported_start: float | None = Field(description="What the equipment said, whatever was corrected since.")
    reported_end: float | None
    corrected: bool


class AnnotationOut(Schema):
    """What a person wrote; `tag` is empty when it is about the source as a whole."""

    id: UUID
    text: str
    source: str
    tag: str
    start: float
    end: float | None
    by: str
    mine: bool
    written_at: datetime


class ShownOut(Schema):
    """What is to be seen from `start` to `end` (ms)."""

    start: float
    end: float
    curves: list[CurveOut]
    timelines: list[TimelineOut]
    gaps: list[GapOut]
    context: list[IntervalOut]
    annotations: list[AnnotationOut]


def permitted(request: HttpRequest) -> None:
    """Raises NotPermitted."""
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)


@router.get("/series", url_name="trend_series", response=FoundOut, summary="Series by words of their names")
def series(
    request: HttpRequest,
    search_for: str = Query("", alias="search", max_length=200),
    most: int = Query(50, ge=1, le=MOST_FOUND),
) -> dict[str, Any]:
    permitted(request)
    company = request.user.company_id
    found, total = search(company, search_for, most)
    return {
        "series": [series_out(one) for one in found],
        "total": total,
        "spectra": historian(company).spectra_sources(),
    }


@router.get("/curves", url_name="trend_curves", response=ShownOut, summary="Curves of tags over a stretch of time")
def curves(
    request: HttpRequest,
    start: datetime,
    end: datetime,
    tag: Annotated[list[str], Query(max_length=MOST_TAGS, description="`ref` of a series; several.")],
    points: int = Query(1000, ge=10, le=MOST_POINTS),
    lot: str = Query("", max_length=200),
) -> dict[str, Any]:
    """All samples while they are no more than two a point, else least, mean and greatest of equal spans."""
    permitted(request)
    asked = Asked.of(tag, start, end, points, lot)
    return shown_out(asked, shown(request.user.company_id, asked), request.user)


def series_out(one: Series) -> dict[str, Any]:
    return {
        "ref": named(one.ref),
        "source": one.ref.source,
        "tag": one.ref.tag,
        "form": one.form,
        "title": one.title,
        "name_ko": one.name_ko,
        "name_en": one.name_en,
        "unit": one.unit,
        "low": one.low,
        "high": one.high,
        "decimals": one.decimals,
        "equipment": one.equipment,
        "states": list(one.states),
        "last": one.last,
    }


def shown_out(asked: Asked, found: Shown, user: User) -> dict[str, Any]:
    return {
        "start": milliseconds(asked.start),
        "end": milliseconds(asked.end),
        "curves": [_curve(one) for one in found.curves],
        "timelines": [_timeline(one) for one in found.timelines],
        "gaps": [_gap(one) for one in found.gaps],
        "context": [interval_out(one) for one in found.context],
        "annotations": [annotation_out(one, user) for one in found.annotations],
    }


def milliseconds(time: datetime) -> float:
    return time.timestamp() * 1000


def interval_out(one: ContextInterval) -> dict[str, Any]:
    return {
        "id": one.id,
        "equipment": one.equipment.code,
        "level": one.level,
        "lot_no": one.lot_no,
        "name": one.name,
        "start": milliseconds(one.started_at),
        "end": one.ended_at and milliseconds(one.ended_at),
        "reported_start": one.reported_start and milliseconds(one.reported_start),
        "reported_end": one.reported_end and milliseconds(one.reported_end),
        "corrected": one.corrected,
    }


def annotation_out(one: Annotation, user: User) -> dict[str, Any]:
    return {
        "id": one.id,
        "text": one.text,
        "source": one.source,
        "tag": one.tag,
        "start": milliseconds(one.started_at),
        "end": one.ended_at and milliseconds(one.ended_at),
        "by": one.by.name,
        "mine": one.by_id == user.id,
        "written_at": one.written_at,
    }


def _curve(one: Curve) -> dict[str, Any]:
    trace = one.trace
    return {
        "series": series_out(one.series),
        "step_ms": trace.step.total_seconds() * 1000 if trace.step else None,
        "samples": one.samples,
        "reduced": one.reduced,
        "silence_ms": one.silence,
        "time": (trace.time.view(np.int64) / 1000.0).tolist(),
        "value": _numbers(trace.value),
        "low": _numbers(trace.low),
        "high": _numbers(trace.high),
        "quality": trace.quality_worst.tolist() if trace.quality_worst.any() else None,
    }


def _numbers(values: Any) -> list[float | None]:
    return [value if good else None for value, good in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)]


def _timeline(one: Timeline) -> dict[str, Any]:
    return {
        "series": series_out(one.series),
        "start": [run.start for run in one.runs],
        "end": [run.end for run in one.runs],
        "text": [run.text for run in one.runs],
        "quality": [run.quality for run in one.runs],
        "left_out": one.left_out,
    }


def _gap(one: GapRow) -> dict[str, Any]:
    known = all(last is not None for _first, last in one.missing)
    return {
        "source": one.source,
        "start": milliseconds(one.started_at),
        "end": one.ended_at and milliseconds(one.ended_at),
        "reason": one.reason.value,
        "missing": sum(last - first + 1 for first, last in one.missing if last is not None) if known else None,
    }
