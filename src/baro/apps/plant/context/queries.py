"""To which batch and phase an observation belongs, and which observations belong to a batch or phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import pyarrow as pa
from django.db.models import Q, QuerySet

from baro.apps.plant.context.models import ContextInterval, Level
from baro.apps.plant.models import Equipment
from baro.apps.plant.queries import historian, sources_of
from baro.historian.store import SpectraTable

ORDER = {level: place for place, level in enumerate(Level)}


def equipment_of(sources: Iterable[str]) -> QuerySet[Equipment]:
    """The units of equipment of which these sources report."""
    wanted = set(sources)
    return Equipment.objects.filter(
        Q(instruments__source__in=wanted) | Q(tags__source__in=wanted) | Q(phase_rules__source__in=wanted)
    ).distinct()


def intervals(
    start: datetime | None = None,
    end: datetime | None = None,
    equipment: Iterable[Equipment] | None = None,
    lot_no: str = "",
) -> QuerySet[ContextInterval]:
    """Intervals as they stand now that reach into [start, end), by their beginning. Void ones are left out."""
    found = ContextInterval.objects.filter(void=False).select_related("equipment", "rule")
    if start is not None:
        found = found.filter(Q(ended_at=None) | Q(ended_at__gt=start))
    if end is not None:
        found = found.filter(started_at__lt=end)
    if equipment is not None:
        found = found.filter(equipment__in=list(equipment))
    return found.filter(lot_no=lot_no) if lot_no else found


def context_of(source: str, time: datetime) -> list[ContextInterval]:
    """What the equipment of a source did at `time`, the batch first, the phase last."""
    units = list(equipment_of([source]))
    found = intervals(equipment=units).filter(Q(ended_at=None) | Q(ended_at__gt=time), started_at__lte=time)
    return sorted(found, key=lambda one: (ORDER[Level(one.level)], one.started_at))


def of_batch(lot_no: str, phase: str = "", level: str = Level.PHASE) -> list[ContextInterval]:
    """When a batch, or a phase of it, was; a phase that ran several times several times.

    A phase belongs to the batch in whose interval it began, also when that interval was corrected later.
    """
    batches = list(intervals(lot_no=lot_no).filter(level=Level.BATCH))
    if not phase:
        return batches
    out: dict[UUID, ContextInterval] = {}
    for batch in batches:
        within = intervals(batch.started_at, batch.ended_at, [batch.equipment]).filter(level=level, name=phase)
        out |= {one.id: one for one in within if one.started_at >= batch.started_at}
    return sorted(out.values(), key=lambda one: one.started_at)


def samples_of(
    company: UUID, lot_no: str, phase: str = "", level: str = Level.PHASE, tags: Sequence[str] | None = None
) -> pa.Table:
    """Samples of a batch, or of a phase of it, by interval: of every source of its equipment, as `Historian.samples`.

    What the equipment itself called the lot at the time counts for nothing here.
    """
    store = historian(company)
    named = None if tags is None else list(tags)
    parts = [
        store.samples(start=one.started_at, end=one.ended_at, tags=named, source=source)
        for one in of_batch(lot_no, phase, level)
        for source in sources_of(one.equipment)
    ]
    return pa.concat_tables(parts, promote_options="permissive") if parts else store.samples(tags=[], source="", lot="")


def spectra_of(company: UUID, lot_no: str, phase: str = "", level: str = Level.PHASE) -> list[SpectraTable]:
    """Spectra of a batch, or of a phase of it, by interval: a table for each interval and source that has some."""
    store = historian(company)
    parts = [
        store.spectra(source=source, start=one.started_at, end=one.ended_at)
        for one in of_batch(lot_no, phase, level)
        for source in sources_of(one.equipment)
    ]
    return [table for table in parts if len(table)]
