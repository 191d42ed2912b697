"""Arrays become the same blocks as rows, durable when `flush` returns."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import numpy as np
import psycopg
import pytest

from baro.historian.bulk import Bulk
from baro.historian.errors import ContentConflict
from baro.historian.sink import BLOCKS, PostgresSink
from baro.historian.store import Historian
from baro.historian.traces import micros

from .conftest import START

NAMES = ["force", "speed", "feed"]
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def arrays(count: int, first: int = 1) -> Arrays:
    seq = np.arange(first, first + count, dtype=np.int64)
    values = np.round(np.sin(seq), 3)
    return seq, micros(START) + 1_000_000 * seq, np.zeros(count, np.uint32), (seq % 3).astype(np.int32), values


def test_arrays_are_stored_once_and_told_of(sink: PostgresSink, historian: Historian, app_url: str) -> None:
    data = arrays(1000)
    with psycopg.connect(app_url, autocommit=True) as listener:
        listener.execute(f"LISTEN {BLOCKS}")
        with Bulk(sink, "fast", NAMES, rows=64, at_once=3) as bulk:
            bulk.write(*data)
            bulk.flush()
            assert len(historian.blocks()) == 16
        told = list(listener.notifies(timeout=5, stop_after=16))
    assert len(told) == 16
    with Bulk(sink, "fast", NAMES, rows=64) as again:  # a replay falls away
        again.write(*data)
    table = historian.samples(start=START, end=START + timedelta(hours=1))
    assert table.num_rows == 1000
    by_seq = table.sort_by("seq")
    assert np.array_equal(by_seq["value"].to_numpy(), data[-1])
    assert by_seq["tag"].to_pylist()[:3] == ["speed", "feed", "force"]
    assert historian.check() == []


def test_what_cannot_be_stored_is_told_to_the_writer(sink: PostgresSink, historian: Historian, company: UUID) -> None:
    seq, *rest, value = arrays(100)
    with Bulk(sink, "fast", NAMES, rows=50) as bulk:
        bulk.write(seq, *rest, value)
    other = Bulk(sink, "fast", NAMES, rows=50)
    other.write(seq, *rest, value + 1)
    with pytest.raises(ContentConflict):
        other.flush()
    other.close()
    assert historian.check() == []
