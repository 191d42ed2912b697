"""How far a source is: stored, sealed, entered in the log; and the strip of its gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from baro.apps.ledger.log.sequencer import integrate
from baro.apps.ledger.services import reading
from baro.apps.plant.connections.watermarks import Kept, Mark, Told, kept, strip
from baro.config import config
from baro.edge.blocks import Block, GapReason, Kind, samples_batch
from baro.historian.catalogue import GapRow
from baro.historian.store import Historian
from tests.plant import Plant

T0 = datetime(2026, 3, 2, 1, tzinfo=UTC)
ROOM = "room-1"


def at(n: int) -> datetime:
    return T0 + timedelta(seconds=n)


def put(plant: Plant, first: int, lot: str = "", epoch: int = 0) -> None:
    """Ten samples, one a second."""
    numbers = range(first, first + 10)
    batch = samples_batch(
        list(numbers), [at(n) for n in numbers], [0] * 10, ["Speed"] * 10, [float(n) for n in numbers]
    )
    block = Block(ROOM, Kind.SAMPLES, epoch, lot, "", batch)
    plant.sink.write_block(block, block.digests(), block.to_bytes())


def marks(plant: Plant) -> Kept:
    with reading(plant.company):
        return kept(plant.company, [ROOM, "unknown"]).get(ROOM, Kept())


def extend(plant: Plant) -> None:
    """What the worker does now and then: a run of the new blocks, and the log."""
    with store(plant) as found:
        found.extend_runs()
    while integrate() is not None:
        pass


def store(plant: Plant) -> Historian:
    return Historian(plant.sink.conninfo, plant.company, config().data_dir)


def test_each_step_is_reached_up_to_the_oldest_block_that_it_lacks(plant: Plant) -> None:
    assert marks(plant) == Kept()
    put(plant, 1, "L1")
    put(plant, 11, "L2")
    assert marks(plant) == Kept(Mark(0, 20, at(20)))
    extend(plant)
    put(plant, 21)
    assert marks(plant) == Kept(Mark(0, 30, at(30)), None, Mark(0, 20, at(20)))
    with store(plant) as found:
        found.seal("L2")
    assert marks(plant).sealed is None, "the first lot is not sealed"
    with store(plant) as found:
        found.seal("L1")
    assert marks(plant).sealed == Mark(0, 20, at(20))
    put(plant, 1, epoch=1)
    extend(plant)
    now = Mark(1, 10, at(10))
    assert marks(plant) == Kept(now, Mark(0, 20, at(20)), now)


def test_delivery_is_behind_by_the_sources_own_time() -> None:
    told = {
        "collected": [0, 90, at(90).isoformat()],
        "delivered": [0, 30, at(30).isoformat()],
        "waiting": [6, 60, 4096],
    }
    assert Told.of(told) == Told(Mark(0, 90, at(90)), Mark(0, 30, at(30)), 6, 60, 4096)
    assert Told.of(told).behind_s == 60
    assert Told.of({**told, "waiting": [1, 0, 0]}).behind_s == 0, "an event waits, no observation"
    assert Told.of({"waiting": [1, 5, 100]}).behind_s is None
    assert Told.of({}) == Told()


def gap(first: float, last: float | None, missing: bool = True) -> GapRow:
    """A gap between these hours before `T0`."""
    start, end = T0 - timedelta(hours=first), None if last is None else T0 - timedelta(hours=last)
    held = ((1, None if last is None else 5),) if missing else ()
    return GapRow(1, ROOM, 0, 1, None if last is None else 5, "", start, end, GapReason.CONNECTION_LOST, start, held)


def test_gaps_of_a_day_are_a_strip() -> None:
    found = strip([gap(48, 30), gap(30, 18), gap(12, 6), gap(3, 2, missing=False), gap(6, 5.9999), gap(1.2, None)], T0)
    assert [(round(part.left, 2), round(part.width, 2)) for part in found.parts] == [
        (0.0, 25.0),
        (50.0, 25.0),
        (75.0, 0.4),
        (95.0, 5.0),
    ]
    assert found.seconds == pytest.approx(3600 * (6 + 6 + 1.2) + 0.36)
    assert strip([], T0).parts == []
