"""Curves as a chart draws them: samples as stored while they are few, the extremes of spans when they are many."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Q

from baro.apps.plant.context.models import ContextInterval
from baro.apps.plant.context.queries import equipment_of, intervals
from baro.apps.plant.queries import historian
from baro.apps.plant.trends.asked import Asked
from baro.apps.plant.trends.errors import DataUnreadable
from baro.apps.plant.trends.known import Series, all_series
from baro.apps.plant.trends.models import Annotation
from baro.historian.catalogue import GapRow
from baro.historian.errors import HistorianError
from baro.historian.store import BAD, Historian, How, TagRef, Trace

MOST_RUNS = 1000
MOST_GAPS = 300
HELD = timedelta(hours=12)
"""How far before the beginning the state is looked for that holds at the beginning."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series of numbers. step: length of a span; None when the points are the samples. samples: how many samples
    that count stand behind the points. silence: a pause longer than this is drawn as one, ms."""

    series: Series
    trace: Trace
    samples: int
    silence: float

    @property
    def reduced(self) -> int:
        """How many samples stand behind one point that is drawn: of a span, its least and its greatest."""
        drawn = 2 * int(np.isfinite(self.trace.low).sum()) if self.trace.step else len(self.trace)
        return max(1, round(self.samples / drawn)) if drawn else 1


@dataclass(frozen=True, slots=True)
class Run:
    """A state or text that held from `start` to `end` (ms since 1970)."""

    start: float
    end: float
    text: str
    quality: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A series of states or texts. left_out: how many changes are not told, because there were too many."""

    series: Series
    runs: list[Run]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What is to be seen in a stretch of time."""

    curves: list[Curve] = field(default_factory=list)
    timelines: list[Timeline] = field(default_factory=list)
    gaps: list[GapRow] = field(default_factory=list)
    context: list[ContextInterval] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)


def shown(company: UUID, asked: Asked) -> Shown:
    """The series of `asked` with the gaps and notes of their sources, and what their equipment did. A tag of which
    nothing is known has an empty curve. Raises DataUnreadable."""
    store, known = historian(company), all_series(company)
    series = [known.get(ref, Series(ref, "number", None)) for ref in asked.tags]
    numbers = [one for one in series if one.form == "number" and not one.states]
    sources = {ref.source for ref in asked.tags}
    try:
        return Shown(
            curves(store, numbers, asked),
            [_timeline(store, one, asked) for one in series if one not in numbers],
            gaps(store, sources, asked.start, asked.end),
            list(intervals(asked.start, asked.end, equipment_of(sources))[:MOST_RUNS]),
            annotations(sources, asked.start, asked.end),
        )
    except HistorianError as error:
        raise DataUnreadable(detail=str(error)) from error


def curves(store: Historian, series: list[Series], asked: Asked) -> list[Curve]:
    """The curve of each series."""
    if not series:
        return []
    ends, lot = (asked.start, asked.end), asked.lot or None
    refs = [one.ref for one in series]
    counted = store.traces(refs, *ends, asked.points, How.COUNT, lot)
    samples = {trace.tag: int(np.nansum(trace.value)) for trace in counted}
    few = [ref for ref in refs if 0 < samples[ref] <= 2 * asked.points]
    many = [ref for ref in refs if ref not in few]
    found: dict[TagRef, Trace] = {}
    if few:
        found |= {trace.tag: trace for trace in store.traces(few, *ends, asked.points, How.RAW, lot)}
        # values that do not count are not in the number of samples
        many += [ref for ref in few if len(found[ref]) > 4 * asked.points]
    if many:
        found |= {trace.tag: trace for trace in store.traces(many, *ends, asked.points, How.MINMAX, lot)}
    return [Curve(one, found[one.ref], samples[one.ref], _silence(found[one.ref])) for one in series]


def _silence(trace: Trace) -> float:
    """A pause longer than this is no ordinary one, ms: many times the usual step, never less than two spans."""
    time = trace.time.view(np.int64)
    usual = float(np.median(np.diff(time))) / 1000 if len(time) > 2 else 0.0
    span = trace.step / timedelta(milliseconds=1) if trace.step else 0.0
    return max(5000.0, 8 * usual, 2.5 * span)


def _timeline(store: Historian, series: Series, asked: Asked) -> Timeline:
    table = store.samples(
        lot=asked.lot or None,
        start=asked.start - HELD,
        end=asked.end,
        tags=[series.ref.tag],
        source=series.ref.source,
    )
    return timeline(series, table, asked.start, asked.end)


def timeline(series: Series, table: pa.Table, start: datetime, end: datetime) -> Timeline:
    """What held when, out of samples in the order of time; only what reaches into [start, end)."""
    time = table["time"].cast(pa.int64()).to_numpy() / 1000.0
    words, quality = np.array(labels(series, table), object), table["quality"].to_numpy()
    new = np.ones(len(time), bool)
    new[1:] = (words[1:] != words[:-1]) | ((quality[1:] >= BAD) != (quality[:-1] >= BAD))
    begins = np.flatnonzero(new)
    low, high = start.timestamp() * 1000, end.timestamp() * 1000
    ends = np.append(time[begins[1:]], high)
    kept = begins[ends > low]
    ends = ends[ends > low]
    left_out = max(0, len(kept) - MOST_RUNS)
    runs = [
        Run(max(low, float(time[at])), float(until), words[at], int(quality[at]))
        for at, until in zip(kept[:MOST_RUNS].tolist(), ends.tolist(), strict=False)
    ]
    return Timeline(series, runs, left_out)


def labels(series: Series, table: pa.Table) -> list[str]:
    """The words of samples: of a text the text, of a state its word, of an array how long it is."""
    values: npt.NDArray[np.float64] = table["value"].to_numpy()
    given = table["text"].to_pylist() if "text" in table.column_names else [None] * len(values)
    lengths = pc.list_value_length(table["array"]).to_pylist() if "array" in table.column_names else given
    out = []
    for value, text, length in zip(values.tolist(), given, lengths, strict=True):
        if isinstance(text, str):
            out.append(text)
        elif isinstance(length, int):
            out.append(f"[{length}]")
        elif value == int(value) if np.isfinite(value) else False:
            at = int(value)
            out.append(series.states[at] if 0 <= at < len(series.states) else str(at))
        else:
            out.append(repr(value))
    return out


def gaps(store: Historian, sources: Iterable[str], start: datetime, end: datetime) -> list[GapRow]:
    """Gaps of these sources that reach into [start, end), the newest `MOST_GAPS` of them, in order."""
    found = [gap for source in sorted(sources) for gap in store.gaps(source=source, start=start, end=end)]
    return sorted(found, key=lambda gap: gap.started_at)[-MOST_GAPS:]


def annotations(sources: Iterable[str], start: datetime, end: datetime) -> list[Annotation]:
    """What people wrote on these sources and their tags that reaches into [start, end)."""
    found = Annotation.objects.filter(source__in=set(sources), withdrawn=False, started_at__lt=end)
    within = found.filter(Q(started_at__gte=start) | Q(ended_at__gt=start))
    return list(within.select_related("by")[:MOST_GAPS])
