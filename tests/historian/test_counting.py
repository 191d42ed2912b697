"""Observations of a stretch of time are counted as reading all of them would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from baro.edge.blocks import Block, Kind, samples_batch
from baro.historian.counting import Counted
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

T0 = datetime(2026, 3, 1, 23, 58, tzinfo=UTC)


def write(sink: PostgresSink, numbers: list[int]) -> None:
    """A sample a second; the number is the second."""
    times = [T0 + timedelta(seconds=n) for n in numbers]
    n = len(numbers)
    batch = samples_batch(numbers, times, [0] * n, ["Speed"] * n, [float(one) for one in numbers])
    block = Block("room", Kind.SAMPLES, 0, "", "", batch)
    sink.write_block(block, block.digests(), block.to_bytes())


@pytest.mark.parametrize("sealed", [False, True])
def test_counts_are_those_of_reading(sink: PostgresSink, app_url: str, company: UUID, lake: Path, sealed: bool) -> None:
    for first in range(0, 240, 20):
        # two blocks within each other's holes
        write(sink, list(range(first, first + 20, 2)))
        write(sink, list(range(first + 1, first + 20, 2)))
    with Historian(app_url, company, lake) as store:
        if sealed:
            store.seal_hot(T0 + timedelta(hours=2))
        for first, last in ((0, 240), (5, 6), (5, 5), (19, 41), (-50, 31), (113, 129), (200, 900), (300, 400)):
            start, end = T0 + timedelta(seconds=first), T0 + timedelta(seconds=last)
            read = store.samples(source="room", start=start, end=end).num_rows
            assert store.count("room", start, end) == Counted(samples=read), (first, last)
        assert store.count("other", T0, T0 + timedelta(days=1)) == Counted()
