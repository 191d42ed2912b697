"""Samples as files, spectra as pictures need them, and what people write: the rest of trends by the REST interface."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema, Status

from baro.apps.plant.trends import services
from baro.apps.plant.trends.api import AnnotationOut, annotation_out, permitted
from baro.apps.plant.trends.asked import MOST_TAGS, Asked, window
from baro.apps.plant.trends.errors import TrendInvalid
from baro.apps.plant.trends.exports import SUFFIXES, TYPES, Form, export
from baro.apps.plant.trends.models import Annotation
from baro.apps.plant.trends.spectra import MOST_SHOWN, spectra_shown

router = Router(tags=["trends"])


class SpectraOut(Schema):
    """Spectra of a source, evenly chosen of `total`, in the order of time (ms). Each has the points of `axis`."""

    source: str
    unit: str
    axis: list[float]
    time: list[float]
    quality: list[int]
    sample: list[str]
    spectra: list[list[float]]
    total: int
    stride: int = Field(description="Each so-many-th point of a spectrum is told.")


class AnnotationIn(Schema):
    """What to write, on a source or one of its tags (`tag` not empty), at a moment or (with `end`) over a time."""

    text: str = Field(min_length=1, max_length=services.LONGEST)
    source: str = Field(min_length=1, max_length=200)
    tag: str = Field("", max_length=200)
    start: datetime
    end: datetime | None = None


class CorrectionIn(Schema):
    """Other words, and why."""

    text: str = Field(min_length=1, max_length=services.LONGEST)
    reason: str = Field(min_length=1, max_length=1000)


@router.get("/samples", url_name="trend_samples", summary="Every sample of a stretch of time, as a file")
def samples(
    request: HttpRequest,
    start: datetime,
    end: datetime,
    tag: Annotated[list[str], Query(min_length=1, max_length=MOST_TAGS, description="`ref` of a series; several.")],
    form: Form = Form.CSV,
    lot: str = Query("", max_length=200),
) -> FileResponse:
    """CSV (times of the plant's zone), Parquet, or an Arrow stream (UTC); at most five million samples."""
    permitted(request)
    asked = Asked.of(tag, start, end, lot=lot)
    file = export(request.user.company_id, asked, form)
    name = f"baro-{asked.start:%Y%m%dT%H%M%SZ}-{asked.end:%Y%m%dT%H%M%SZ}.{SUFFIXES[form]}"
    return FileResponse(file, as_attachment=True, filename=name, content_type=TYPES[form])


@router.get("/spectra", url_name="trend_spectra", response=SpectraOut | None, summary="Spectra of a lot or of a time")
def spectra(
    request: HttpRequest,
    source: str = Query(..., min_length=1, max_length=200),
    lot: str = Query("", max_length=100),
    phase: str = Query("", max_length=200),
    start: datetime | None = None,
    end: datetime | None = None,
    most: int = Query(MOST_SHOWN, ge=1, le=MOST_SHOWN),
) -> dict[str, Any] | None:
    """null where there is none."""
    permitted(request)
    if not lot:
        if start is None or end is None:
            raise TrendInvalid(detail="lot, start, end")
        start, end = window(start, end)
    lot, phase, source = (text.replace("\0", "") for text in (lot, phase, source))
    company = request.user.company_id
    found = spectra_shown(company, source, lot=lot, phase=phase, start=start, end=end, most=most)
    return found and {
        "source": found.source,
        "unit": found.unit,
        "axis": found.axis.tolist(),
        "time": found.time.tolist(),
        "quality": found.quality.tolist(),
        "sample": found.sample,
        # seven digits are all that a float32 has
        "spectra": [[float(f"{value:.7g}") for value in row] for row in found.spectra.tolist()],
        "total": found.total,
        "stride": found.stride,
    }


@router.post("/annotations", url_name="trend_annotations", response={201: AnnotationOut}, summary="Write on a trend")
def annotate(request: HttpRequest, body: AnnotationIn) -> Status:
    """Needs the permission `annotate`."""
    start, end = (time and time.replace(tzinfo=time.tzinfo or UTC) for time in (body.start, body.end))
    made = services.annotate(request.user, body.text, body.source, body.tag, start, end)
    return Status(201, annotation_out(made, request.user))


@router.patch("/annotations/{uuid:annotation_id}", response=AnnotationOut, summary="Correct one's own annotation")
def correct(request: HttpRequest, annotation_id: UUID, body: CorrectionIn) -> dict[str, Any]:
    get_object_or_404(Annotation, id=annotation_id, withdrawn=False)
    return annotation_out(
        services.correct_annotation(request.user, annotation_id, body.text, body.reason), request.user
    )


@router.delete("/annotations/{uuid:annotation_id}", response={204: None}, summary="Withdraw one's own annotation")
def withdraw(
    request: HttpRequest, annotation_id: UUID, reason: str = Query(..., min_length=1, max_length=1000)
) -> Status:
    get_object_or_404(Annotation, id=annotation_id, withdrawn=False)
    services.withdraw_annotation(request.user, annotation_id, reason)
    return Status(204, None)
