"""Spectra of a lot or of a stretch of time, so many as a picture can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection

from baro.apps.plant.context.models import Level
from baro.apps.plant.context.queries import of_batch
from baro.apps.plant.queries import historian
from baro.apps.plant.trends.errors import DataUnreadable, TooMuchAsked
from baro.historian.errors import HistorianError
from baro.historian.store import SpectraTable

MOST_SHOWN = 300
MOST_READ = 60_000
MOST_POINTS = 1200


@dataclass(frozen=True, slots=True)
class SpectraShown:
    """time: (n,) ms since 1970. quality: (n,). sample: n names. axis: (p,) in `unit`. spectra: (n, p) float32.
    total: how many there are. stride: each so-many-th point of a spectrum is there."""

    source: str
    unit: str
    axis: npt.NDArray[np.float64]
    time: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint32]
    sample: list[str]
    spectra: npt.NDArray[np.float32]
    total: int
    stride: int


def spectra_shown(
    company: UUID,
    source: str,
    *,
    lot: str = "",
    phase: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    most: int = MOST_SHOWN,
) -> SpectraShown | None:
    """At most `most` of the spectra of a source, evenly chosen in the order of time; None where there is none.

    lot: those of the lot by its interval, or where nobody knows its interval by what the equipment called it; phase: of
    a phase of it. Else those of [start, end). Raises TooMuchAsked, DataUnreadable.
    """
    store = historian(company)
    within = of_batch(lot, phase, Level.PHASE) if lot else []
    try:
        if within:
            times = [(one.started_at, one.ended_at) for one in within]
            _bounded(company, source, times)
            tables = [store.spectra(source=source, start=a, end=b) for a, b in times]
        elif lot:
            _bounded(company, source, [(None, None)], lot)
            tables = [store.spectra(lot=lot, source=source)] if not phase else []
        else:
            _bounded(company, source, [(start, end)])
            tables = [store.spectra(source=source, start=start, end=end)]
        tables = [table for table in tables if len(table)]
        if not tables:
            return None
        axis = store.axis(tables[0].axis)
    except HistorianError as error:
        raise DataUnreadable(detail=str(error)) from error
    if any(table.axis != tables[0].axis for table in tables):
        raise DataUnreadable(detail="axes")
    return _chosen(source, tables, np.asarray(axis.values), axis.unit, most)


def _chosen(
    source: str, tables: Sequence[SpectraTable], axis: npt.NDArray[np.float64], unit: str, most: int
) -> SpectraShown:
    time = np.concatenate([table.time.view(np.int64) for table in tables])
    order = np.argsort(time, kind="stable")
    total = len(order)
    if total > most:
        order = order[np.unique(np.linspace(0, total - 1, most).round().astype(np.intp))]
    stride = max(1, -(-len(axis) // MOST_POINTS))
    sample = [name for table in tables for name in table.sample]
    return SpectraShown(
        source,
        unit,
        axis[::stride],
        time[order] / 1000.0,
        np.concatenate([table.quality for table in tables])[order],
        [sample[i] for i in order],
        np.concatenate([table.spectra for table in tables])[order][:, ::stride],
        total,
        stride,
    )


def _bounded(
    company: UUID, source: str, times: Sequence[tuple[datetime | None, datetime | None]], lot: str | None = None
) -> None:
    """Raises TooMuchAsked when more would have to be read than memory is for."""
    total = 0
    with connection.cursor() as cursor:
        for start, end in times:
            cursor.execute(
                "SELECT coalesce(sum(count), 0) FROM historian_block WHERE company_id = %s AND source = %s"
                " AND kind = 'spectra' AND (%s::text IS NULL OR lot = %s)"
                " AND time_max >= coalesce(%s, '-infinity'::timestamptz)"
                " AND time_min < coalesce(%s, 'infinity'::timestamptz)",
                [company, source, lot, lot, start, end],
            )
            total += int(cursor.fetchone()[0])
    if total > MOST_READ:
        raise TooMuchAsked(count=f"{total:,}", most=f"{MOST_READ:,}")
