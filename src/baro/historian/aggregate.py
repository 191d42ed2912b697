"""Samples of one tag over spans of time: what the ways of asking compute. Arrays in, arrays out.

Which values count is an explicit rule: values of bad quality and those that are no finite number never enter a
figure, uncertain ones do. A span in which nothing counts has no figure (NaN), but still the worst quality in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

BAD = 0x8000_0000
"""The severity bit of OPC UA's status codes."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint32]


class How(StrEnum):
    """The ways of asking."""

    RAW = "raw"
    INTERPOLATED = "interpolated"
    MINMAX = "minmax"
    LTTB = "lttb"
    MIN = "min"
    MAX = "max"
    MEAN = "mean"
    TIME_MEAN = "time_mean"
    COUNT = "count"
    STDEV = "stdev"
    FIRST = "first"
    LAST = "last"
    GOOD = "duration_good"


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one tag: time (n,) int64 µs since 1970 (UTC), not falling; value (n,) float64; quality (n,) uint32."""

    time: Ints
    value: Floats
    quality: Codes

    @property
    def counts(self) -> npt.NDArray[np.bool_]:
        """Which values enter a figure."""
        return (self.quality < BAD) & np.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal spans of time: `count` of `step` µs, from `start` (µs since 1970, UTC) on."""

    start: int
    step: int
    count: int

    @property
    def edges(self) -> Ints:
        """(count + 1,): where spans begin, and where the last one ends."""
        return self.start + self.step * np.arange(self.count + 1, dtype=np.int64)

    @classmethod
    def between(cls, start: int, end: int, points: int, unit: int = 1) -> Grid:
        """At most `points` spans over [start, end). Spans of `unit` or longer are made of whole units since 1970, so
        the first may begin before `start` and the last end after `end`, each by less than a unit."""
        points = max(1, points)
        step = max(1, -(-(end - start) // points))
        if step >= unit > 1:
            start = start // unit * unit
            end = -(-end // unit) * unit
            step = -(-(end - start) // (points * unit)) * unit
        return cls(start, step, max(1, -(-(end - start) // step)))


@dataclass(frozen=True, slots=True)
class Spans:
    """Figures of those spans that hold a sample. at: (n,) their positions in the grid. count: (n,) values that enter.
    low, high, total, squares (sum of squares about `centre`), first, last: (n,), NaN where `count` is 0. worst: (n,)
    the worst quality."""

    at: Ints
    count: Ints
    low: Floats
    high: Floats
    total: Floats
    squares: Floats
    first: Floats
    last: Floats
    worst: Codes

    @property
    def mean(self) -> Floats:
        """(n,), NaN where nothing counts."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total / self.count

    @property
    def stdev(self) -> Floats:
        """(n,) of a sample of values (n - 1), NaN below two values."""
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.where(self.count > 1, self.squares / (self.count - 1), np.nan)
        return np.sqrt(spread)


def spans(series: Series, grid: Grid) -> Spans:
    """The figures of each span of `grid` that holds a sample."""
    inside = slice(*np.searchsorted(series.time, (grid.start, grid.start + grid.step * grid.count)).tolist())
    time, value, quality = series.time[inside], series.value[inside], series.quality[inside]
    place = (time - grid.start) // grid.step
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    at = place[starts]
    if len(starts) == 0:
        none = np.empty(0)
        return Spans(at, at, none, none, none, none, none, none, quality[:0])
    worst = np.maximum.reduceat(quality, starts)
    counted = (quality < BAD) & np.isfinite(value)
    if not counted.all():
        return _with_holes(at, worst, place[counted], value[counted])
    return Spans(at, *_figures(value, starts), worst)


def _with_holes(at: Ints, worst: Codes, place: Ints, value: Floats) -> Spans:
    """As `spans`, where some values do not count: figures of the values that do, put where they belong."""
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    where = np.searchsorted(at, place[starts])
    count = np.zeros(len(at), np.int64)
    low, high, total, squares, first, last = (np.full(len(at), np.nan) for _ in range(6))
    if len(starts):
        count[where], low[where], high[where], total[where], squares[where], first[where], last[where] = _figures(
            value, starts
        )
    return Spans(at, count, low, high, total, squares, first, last, worst)


def _figures(value: Floats, starts: Ints) -> tuple[Ints, Floats, Floats, Floats, Floats, Floats, Floats]:
    ends = np.append(starts[1:], len(value))
    count = ends - starts
    total = np.add.reduceat(value, starts)
    centred = value - np.repeat(total / count, count)
    return (
        count,
        np.minimum.reduceat(value, starts),
        np.maximum.reduceat(value, starts),
        total,
        np.add.reduceat(centred * centred, starts),
        value[starts],
        value[ends - 1],
    )


def held(series: Series, edges: Ints) -> tuple[Floats, Floats]:
    """Time-weighted mean of each span between `edges`, and how long (seconds) a value that counts held in it.

    A value holds until the next sample, whatever that is; before the first sample nothing holds. The mean is NaN
    where nothing held.
    """
    if len(series.time) == 0:
        return np.full(len(edges) - 1, np.nan), np.zeros(len(edges) - 1)
    counts = series.counts
    lengths = np.diff(series.time, append=max(int(edges[-1]), int(series.time[-1]))).astype(np.float64)
    centre = float(series.value[counts].mean()) if counts.any() else 0.0  # keeps the sums small, so exact
    height = np.where(counts, series.value, centre) - centre
    area = np.concatenate(([0.0], np.cumsum(height * lengths)))
    good = np.concatenate(([0.0], np.cumsum(counts * lengths)))
    at = np.searchsorted(series.time, edges, side="right") - 1
    begun = at >= 0
    at = np.maximum(at, 0)
    since = np.where(begun, edges - series.time[at], 0).astype(np.float64)
    areas = np.diff(np.where(begun, area[at] + height[at] * since, 0.0))
    lasted = np.diff(np.where(begun, good[at] + counts[at] * since, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(lasted > 0, centre + areas / lasted, np.nan), lasted / 1e6


def interpolated(series: Series, instants: Ints) -> tuple[Floats, Codes]:
    """Value and quality at each instant, on the straight line between the samples around it.

    NaN before the first and after the last sample, and where one of the two does not count. The quality is the worse
    of the two.
    """
    n = len(series.time)
    if n == 0:
        return np.full(len(instants), np.nan), np.full(len(instants), BAD, np.uint32)
    after = np.searchsorted(series.time, instants, side="left")
    exact = (after < n) & (series.time[np.minimum(after, n - 1)] == instants)
    before = np.where(exact, after, after - 1)
    within = (before >= 0) & (after < n)
    a, b = np.clip(before, 0, n - 1), np.clip(after, 0, n - 1)
    counts = series.counts
    gap = np.maximum(series.time[b] - series.time[a], 1)
    share = (instants - series.time[a]) / gap
    with np.errstate(invalid="ignore"):
        value = series.value[a] + np.where(exact, 0.0, share * (series.value[b] - series.value[a]))
    value = np.where(within & counts[a] & counts[b], value, np.nan)
    quality = np.where(within, np.maximum(series.quality[a], series.quality[b]), BAD).astype(np.uint32)
    return value, quality


def lttb(time: Ints, value: Floats, points: int) -> npt.NDArray[np.intp]:
    """Positions of at most `points` points that keep the shape (largest triangle three buckets, S. Steinarsson 2013).

    First and last are among them. Of long series it chooses among the lowest and highest of four times as many spans.
    """
    n = len(time)
    if n <= max(points, 3):
        return np.arange(n)
    chosen = np.arange(n)
    if n > 8 * points:
        chosen = extremes(time, value, 4 * points)
        if chosen[0] != 0:
            chosen = np.concatenate(([0], chosen))
        if chosen[-1] != n - 1:
            chosen = np.append(chosen, n - 1)
    t, v = (time[chosen] - time[0]).astype(np.float64), value[chosen]
    cuts = np.linspace(1, len(chosen) - 1, points - 1).astype(np.intp)
    kept = [0]
    for i in range(points - 2):
        low, high = cuts[i], cuts[i + 1]
        if high <= low:
            continue
        last = cuts[i + 2] if i + 2 < len(cuts) else len(chosen)
        next_t, next_v = (t[high:last].mean(), v[high:last].mean()) if last > high else (t[-1], v[-1])
        a = kept[-1]
        area = np.abs((t[a] - next_t) * (v[low:high] - v[a]) - (t[a] - t[low:high]) * (next_v - v[a]))
        kept.append(int(low + area.argmax()))
    kept.append(len(chosen) - 1)
    return np.asarray(chosen[np.array(kept)], np.intp)


def extremes(time: Ints, value: Floats, points: int) -> npt.NDArray[np.intp]:
    """Positions of the lowest and the highest value of each of `points` / 2 equal spans of time; all positions when
    there are no more."""
    count = max(1, points // 2)
    if len(time) <= 2 * count:
        return np.arange(len(time))
    # the last instant belongs to the last span
    width = max(1, -(-(int(time[-1] - time[0]) + 1) // count))
    place = (time - time[0]) // width
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    order = np.lexsort((value, place))
    ends = np.append(starts[1:], len(time)) - 1
    return np.unique(np.concatenate((order[starts], order[ends])))
