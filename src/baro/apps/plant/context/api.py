"""Context by the REST interface: batches and phases, what belongs to them, and correcting them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema, Status

from baro.apps.plant.context import queries, services
from baro.apps.plant.context.models import ContextInterval, Level
from baro.apps.plant.context.moving import Told
from baro.apps.plant.models import Equipment
from baro.apps.plant.trends.api import IntervalOut, interval_out, permitted
from baro.apps.plant.trends.context_files import batch_file
from baro.apps.plant.trends.exports import SUFFIXES, TYPES, Form

router = Router(tags=["context"])
PAGE = 100
Levels = Literal["batch", "unit_procedure", "operation", "phase"]


class BatchOut(IntervalOut):
    """A batch with its phases, for laying batches over each other."""

    phases: list[IntervalOut]


class IntervalIn(Schema):
    """When it really was (`end` null while it goes on), of which lot or phase, and why that is said.

    neighbours: adjoining intervals move along, so that neither an overlap nor a gap remains.
    """

    start: datetime
    end: datetime | None = None
    lot_no: str = Field("", max_length=100)
    name: str = Field("", max_length=200)
    reason: str = Field(min_length=1, max_length=1000)
    neighbours: bool = False


class NewIntervalIn(IntervalIn):
    equipment: str
    level: Levels


class RuleIn(Schema):
    """The tag whose states tell of phases from `since` on. names: state to phase; empty: each by its own name."""

    equipment: str
    source: str = Field(min_length=1, max_length=200)
    tag: str = Field(min_length=1, max_length=200)
    since: datetime
    names: dict[str, str] = Field(default_factory=dict, max_length=500)
    level: Literal["unit_procedure", "operation", "phase"] = "phase"
    enabled: bool = True
    reason: str = Field(min_length=1, max_length=1000)


class RuleOut(Schema):
    id: UUID
    equipment: str
    source: str
    tag: str
    level: str
    names: dict[str, str]
    since: datetime
    enabled: bool


@router.get("/batches", url_name="context_batches", response=list[BatchOut], summary="Batches with their phases")
def batches(request: HttpRequest, search: str = Query("", max_length=100), first: int = Query(0, ge=0)) -> list[Any]:
    """The latest first, a hundred at a time; `search`: part of the lot number."""
    permitted(request)
    found = queries.intervals().filter(level=Level.BATCH, lot_no__icontains=search.replace("\0", ""))
    out = []
    for batch in found.order_by("-started_at", "id")[first : first + PAGE]:
        within = queries.intervals(batch.started_at, batch.ended_at, [batch.equipment]).exclude(level=Level.BATCH)
        phases = [interval_out(one) for one in within if one.started_at >= batch.started_at]
        out.append(interval_out(batch) | {"phases": phases})
    return out


@router.get("/at", response=list[IntervalOut], summary="What was made when an observation of a source was taken")
def at(request: HttpRequest, time: datetime, source: str = Query(..., max_length=200)) -> list[dict[str, Any]]:
    """The batch first, the phase last; empty when nothing was made."""
    permitted(request)
    found = queries.context_of(source.replace("\0", ""), _utc(time))
    return [interval_out(one) for one in found]


@router.get("/samples", summary="Samples of a batch, or of a phase of it, as a file")
def samples(
    request: HttpRequest,
    lot: str = Query(..., min_length=1, max_length=100),
    phase: str = Query("", max_length=200),
    level: Levels = "phase",
    form: Form = Form.ARROW,
) -> FileResponse:
    """Of every source of the equipment, by interval as it stands now, whatever the equipment called the lot."""
    permitted(request)
    lot, phase = lot.replace("\0", ""), phase.replace("\0", "")
    file = batch_file(request.user.company_id, lot, phase, level, form)
    return FileResponse(file, as_attachment=True, filename=f"baro-batch.{SUFFIXES[form]}", content_type=TYPES[form])


@router.post("/intervals", url_name="context_intervals", response={201: IntervalOut}, summary="Enter an interval")
def add(request: HttpRequest, body: NewIntervalIn) -> Status:
    """Needs the permission `correct_context`."""
    unit = get_object_or_404(Equipment, code=body.equipment)
    made = services.add_interval(request.user, unit, body.level, _told(body), body.reason, body.neighbours)
    return Status(201, interval_out(made))


@router.put("/intervals/{uuid:interval_id}", response=IntervalOut, summary="Correct an interval")
def correct(request: HttpRequest, interval_id: UUID, body: IntervalIn) -> dict[str, Any]:
    """What it was before stays in the trail, and what the equipment reported with it. Needs `correct_context`."""
    get_object_or_404(ContextInterval, id=interval_id, void=False)
    return interval_out(services.correct_interval(request.user, interval_id, _told(body), body.reason, body.neighbours))


@router.delete("/intervals/{uuid:interval_id}", response={204: None}, summary="Say that an interval never was")
def void(request: HttpRequest, interval_id: UUID, reason: str = Query(..., min_length=1, max_length=1000)) -> Status:
    get_object_or_404(ContextInterval, id=interval_id, void=False)
    services.void_interval(request.user, interval_id, reason)
    return Status(204, None)


@router.put("/rules", response=RuleOut, summary="Have the states of a tag tell of phases")
def rule(request: HttpRequest, body: RuleIn) -> dict[str, Any]:
    """Needs the permission `correct_context`."""
    unit = get_object_or_404(Equipment, code=body.equipment)
    made = services.save_rule(
        request.user,
        unit,
        body.source,
        body.tag,
        _utc(body.since),
        body.names,
        body.level,
        body.enabled,
        body.reason,
    )
    names = ("id", "source", "tag", "level", "names", "since", "enabled")
    return {"equipment": unit.code} | {name: getattr(made, name) for name in names}


def _told(body: IntervalIn) -> Told:
    return Told(_utc(body.start), body.end and _utc(body.end), body.lot_no, body.name)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
