"""Curves of tags for charts and for whoever computes with them: one answer over hot and sealed observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import UTC_US
from baro.historian import aggregate
from baro.historian.aggregate import BAD, Codes, Floats, Grid, How, Ints, Series

HOLDING = frozenset({How.INTERPOLATED, How.TIME_MEAN, How.GOOD})
"""What looks at the samples before and after, too."""

_EPOCH_0 = datetime(1970, 1, 1, tzinfo=UTC)


class TagRef(NamedTuple):
    """A tag by the source that serves it and its name there."""

    source: str
    tag: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Points of one tag in the order of time.

    time: (n,) datetime64[us], UTC; of spans their beginning. value: (n,) float64; of spans what was asked for (of
    ``minmax`` the mean). low, high: (n,) the least and greatest value that counts; of single points the value itself.
    quality_worst: (n,) uint32, OPC UA. step: length of a span, None when the points are samples as stored.
    A span without samples is no point; one in which no value counts has NaN.
    """

    tag: TagRef
    time: npt.NDArray[np.datetime64]
    value: Floats
    low: Floats
    high: Floats
    quality_worst: Codes
    step: timedelta | None = None

    def __len__(self) -> int:
        return len(self.time)


def micros(time: datetime) -> int:
    """Microseconds since 1970 (UTC)."""
    return (time - _EPOCH_0) // timedelta(microseconds=1)


def trace(tag: TagRef, series: Series, grid: Grid, points: int, how: How) -> Trace:
    """The curve of one tag. `series` may reach beyond the grid on both sides, which `interpolated`, `time_mean` and
    `duration_good` use; `points` counts for ``lttb`` only."""
    if how in (How.RAW, How.LTTB):
        return _points(tag, _within(series, grid), points if how is How.LTTB else None)
    if how is How.INTERPOLATED:
        instants = grid.edges[:-1]
        value, quality = aggregate.interpolated(series, instants)
        return Trace(tag, _times(instants), value, value, value, quality, timedelta(microseconds=grid.step))
    found = aggregate.spans(series, grid)
    if how in (How.TIME_MEAN, How.GOOD):
        return _held(tag, series, grid, how, found)
    return of_spans(tag, grid, how, found)


def of_spans(tag: TagRef, grid: Grid, how: How, found: aggregate.Spans) -> Trace:
    """The curve of figures of spans."""
    values: Floats = {
        How.MINMAX: found.mean,
        How.MEAN: found.mean,
        How.MIN: found.low,
        How.MAX: found.high,
        How.COUNT: found.count.astype(np.float64),
        How.STDEV: found.stdev,
        How.FIRST: found.first,
        How.LAST: found.last,
    }[how]
    time = _times(grid.start + grid.step * found.at)
    return Trace(tag, time, values, found.low, found.high, found.worst, timedelta(microseconds=grid.step))


def _held(tag: TagRef, series: Series, grid: Grid, how: How, found: aggregate.Spans) -> Trace:
    """Every span, also one in which only the value before it holds."""
    mean, lasted = aggregate.held(series, grid.edges)
    low, high = np.full(grid.count, np.nan), np.full(grid.count, np.nan)
    low[found.at], high[found.at] = found.low, found.high
    before = np.searchsorted(series.time, grid.edges[:-1], side="right") - 1
    worst = np.where(before >= 0, series.quality[np.maximum(before, 0)], BAD) if len(series.time) else None
    worst = np.full(grid.count, BAD, np.uint32) if worst is None else worst.astype(np.uint32)
    worst[found.at] = np.maximum(np.where(before[found.at] >= 0, worst[found.at], 0), found.worst)
    value = mean if how is How.TIME_MEAN else lasted
    step = timedelta(microseconds=grid.step)
    return Trace(tag, _times(grid.edges[:-1]), value, low, high, worst, step)


def _points(tag: TagRef, series: Series, points: int | None) -> Trace:
    """Samples as stored: all of them with their quality, or the `points` of those that count."""
    if points is not None:
        counts = series.counts
        time, value, quality = series.time[counts], series.value[counts], series.quality[counts]
        kept = aggregate.lttb(time, value, points)
        series = Series(time[kept], value[kept], quality[kept])
    return Trace(tag, _times(series.time), series.value, series.value, series.value, series.quality)


def _within(series: Series, grid: Grid) -> Series:
    ends = (grid.start, grid.start + grid.step * grid.count)
    inside = slice(*np.searchsorted(series.time, ends).tolist())
    return Series(series.time[inside], series.value[inside], series.quality[inside])


def _times(micros: Ints) -> npt.NDArray[np.datetime64]:
    return np.ascontiguousarray(micros, np.int64).view("datetime64[us]")


def unique(tags: Sequence[TagRef]) -> list[TagRef]:
    """Each tag once, in the order asked for."""
    return list(dict.fromkeys(TagRef(*tag) for tag in tags))


def as_table(traces: Sequence[Trace]) -> pa.Table:
    """Curves as one table: source, tag, time, value, low, high, quality."""
    counts = [len(one) for one in traces]

    def repeated(names: Sequence[str]) -> pa.DictionaryArray:
        codes = np.repeat(np.arange(len(names), dtype=np.int32), counts)
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))

    def joined(name: str, empty: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(one, name) for one in traces] or [np.empty(0, empty)])

    return pa.table(
        {
            "source": repeated([one.tag.source for one in traces]),
            "tag": repeated([one.tag.tag for one in traces]),
            "time": pa.array(joined("time", "datetime64[us]").view(np.int64)).view(UTC_US),
            **{name: pa.array(joined(name, "f8"), pa.float64()) for name in ("value", "low", "high")},
            "quality": pa.array(joined("quality_worst", "u4"), pa.uint32()),
        }
    )
