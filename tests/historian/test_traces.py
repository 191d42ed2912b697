"""What is computed over spans of time, against the plainest way to compute it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from baro.historian import aggregate
from baro.historian.aggregate import BAD, Grid, Series
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian, TagRef
from tests.historian.conftest import START, samples_block, write

BAD_NODATA = 0x809B0000
UNCERTAIN = 0x40900000


def random_series(seed: int, n: int = 300) -> Series:
    """Times that repeat and jump, qualities of all kinds, values that are no number."""
    rng = np.random.default_rng(seed)
    time = np.cumsum(rng.choice([0, 1, 7, 400], n)).astype(np.int64)
    value = np.round(rng.normal(50, 5, n), 2)
    value[rng.random(n) < 0.05] = math.nan
    quality = rng.choice([0, UNCERTAIN, BAD_NODATA], n, p=[0.8, 0.1, 0.1]).astype(np.uint32)
    return Series(time, value, quality)


def rows(series: Series, low: int, high: int) -> list[tuple[int, float, int]]:
    whole = zip(series.time.tolist(), series.value.tolist(), series.quality.tolist(), strict=True)
    return [row for row in whole if low <= row[0] < high]


@pytest.mark.parametrize("seed", range(8))
def test_figures_of_spans_are_those_of_their_rows(seed: int) -> None:
    series = random_series(seed)
    grid = Grid.between(-50, int(series.time[-1]) + 333, 37)
    found = aggregate.spans(series, grid)
    expected = {}
    for i in range(grid.count):
        inside = rows(series, grid.start + i * grid.step, grid.start + (i + 1) * grid.step)
        if inside:
            good = [value for _, value, quality in inside if quality < BAD and math.isfinite(value)]
            expected[i] = (good, max(quality for *_, quality in inside))
    assert found.at.tolist() == list(expected)
    assert found.worst.tolist() == [worst for _, worst in expected.values()]
    assert found.count.tolist() == [len(good) for good, _ in expected.values()]
    for i, (good, _) in enumerate(expected.values()):
        got = [found.low[i], found.high[i], found.mean[i], found.first[i], found.last[i], found.stdev[i]]
        wanted = [min(good), max(good), np.mean(good), good[0], good[-1]] if good else [math.nan] * 5
        wanted.append(np.std(good, ddof=1) if len(good) > 1 else math.nan)
        assert got == pytest.approx(wanted, nan_ok=True, rel=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_a_value_holds_until_the_next_sample(seed: int) -> None:
    series = random_series(seed, 60)
    edges = np.arange(-100, int(series.time[-1]) + 500, 137, dtype=np.int64)
    mean, lasted = aggregate.held(series, edges)
    counts = series.counts
    for i in range(len(edges) - 1):
        values = []
        for instant in range(int(edges[i]), int(edges[i + 1])):
            at = np.searchsorted(series.time, instant, side="right") - 1
            if at >= 0 and counts[at]:
                values.append(series.value[at])
        assert lasted[i] == pytest.approx(len(values) / 1e6, abs=1e-12)
        assert mean[i] == pytest.approx(np.mean(values) if values else math.nan, nan_ok=True, rel=1e-9)


def test_between_two_samples_lies_a_straight_line() -> None:
    series = Series(np.array([0, 10, 20, 30]), np.array([1.0, 2.0, math.nan, 4.0]), np.zeros(4, np.uint32))
    value, quality = aggregate.interpolated(series, np.array([-1, 0, 5, 10, 15, 30, 31]))
    assert value.tolist() == pytest.approx([math.nan, 1.0, 1.5, 2.0, math.nan, 4.0, math.nan], nan_ok=True)
    assert (quality >= BAD).tolist() == [True, False, False, False, False, False, True]


@pytest.mark.parametrize(("n", "points"), [(5, 100), (500, 100), (5000, 100), (50_000, 200), (4, 3), (100, 1)])
def test_a_thinned_curve_has_real_points_and_its_peaks(n: int, points: int) -> None:
    rng = np.random.default_rng(n)
    time, value = np.arange(n) * 1_000_000, np.cumsum(rng.normal(size=n))
    value[n // 2] = 1e6
    kept = aggregate.lttb(time, value, points)
    assert len(kept) <= max(points, 3)
    assert np.all(np.diff(kept) > 0)
    assert {0, n - 1, n // 2} <= set(kept.tolist()) or points < 3
    low_high = aggregate.extremes(time, value, points)
    assert {int(value.argmin()), int(value.argmax())} <= set(low_high.tolist()) or points < 2


def test_long_spans_are_whole_minutes() -> None:
    minute = 60_000_000
    start, end = 12_345_678, 12_345_678 + 30 * 86_400_000_000
    grid = Grid.between(start, end, 1000, unit=minute)
    assert grid.start % minute == 0
    assert grid.step % minute == 0
    assert grid.count <= 1000
    assert grid.start <= start
    assert grid.edges[-1] >= end
    short = Grid.between(start, start + minute, 1000, unit=minute)
    assert short == Grid(start, minute // 1000, 1000)


def test_a_trace_of_each_tag_in_the_order_asked_for(sink: PostgresSink, historian: Historian) -> None:
    write(sink, samples_block(count=300), samples_block(count=30, source="press-2/tags", lot=""))
    tags = [TagRef("press-1/tags", "speed"), TagRef("press-2/tags", "feed"), TagRef("press-1/tags", "nothing")]
    end = START + timedelta(seconds=301)
    speed, feed, nothing = historian.traces(tags, START, end, points=10)
    assert (speed.tag, feed.tag, len(nothing)) == (tags[0], tags[1], 0)
    raw = historian.traces(tags[:1], START, end, how="raw")[0]
    assert len(raw) == 100
    assert (speed.low.min(), speed.high.max()) == (raw.value.min(), raw.value.max())
    assert np.all((speed.low <= speed.value) & (speed.value <= speed.high))
    assert len(historian.traces(tags[:1], START, end, points=20, how="lttb")[0]) == 20
    assert len(historian.traces(tags[1:2], START, end, lot="L1")[0]) == 0
    assert speed.time[0] == np.datetime64(START.astimezone(UTC).replace(tzinfo=None))


def test_a_query_is_a_table_of_exact_steps(sink: PostgresSink, historian: Historian) -> None:
    write(sink, samples_block(count=300))
    refs = [TagRef("press-1/tags", "speed"), TagRef("press-1/tags", "feed")]
    end = START + timedelta(seconds=301)
    table = historian.query(refs, START, end, how="mean", step=timedelta(seconds=30))
    assert table.schema.names == ["source", "tag", "time", "value", "low", "high", "quality"]
    assert table["tag"].to_pylist() == ["speed"] * 10 + ["feed"] * 10
    raw = historian.query(refs[:1], START, end)
    first = [row["value"] for row in raw.to_pylist() if row["time"] < START + timedelta(seconds=30)]
    assert table["value"][0].as_py() == pytest.approx(np.mean(first))
    minutes = historian.query(refs, START, START + timedelta(minutes=5), how="count", step=timedelta(minutes=1))
    assert minutes["value"].to_pylist() == [20.0, 20.0, 20.0, 20.0, 20.0] * 2
    with pytest.raises(ValueError, match="step or points"):
        historian.query(refs, START, end, how="mean")
    assert historian.query([], START, end, how="max", points=3).num_rows == 0


def test_a_span_of_bad_values_is_seen_but_has_no_figure() -> None:
    series = Series(np.array([0, 1, 10]), np.array([5.0, 6.0, 7.0]), np.array([BAD_NODATA, BAD, 0], np.uint32))
    found = aggregate.spans(series, Grid(0, 10, 2))
    assert found.count.tolist() == [0, 1]
    assert np.isnan(found.mean[0])
    assert found.worst[0] == BAD_NODATA


def test_times_are_utc_whatever_zone_they_are_asked_in() -> None:
    from baro.historian.traces import micros

    seoul = datetime.fromisoformat("2026-03-01T17:00:00+09:00")
    assert micros(seoul) == micros(START)
