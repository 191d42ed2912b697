"""Since when each source's link is up or down, and what it still owes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from baro.apps.ledger.services import reading
from baro.apps.plant.queries import Link, links
from baro.edge.blocks import Event, EventKind, Gap, GapReason
from tests.plant import Plant

T0 = datetime(2026, 3, 2, 1, tzinfo=UTC)


def at(n: int) -> datetime:
    return T0 + timedelta(seconds=n)


def test_the_newest_change_of_a_link_counts_and_what_is_missing_is_added_up(plant: Plant) -> None:
    def tell(source: str, kind: EventKind, n: int) -> None:
        plant.sink.write_event(Event(source, kind, at(n), f"{source} {n}"))

    tell("room-1", EventKind.DISCONNECTED, 20)
    tell("room-1", EventKind.CONNECTED, 10)  # delivered late: the time of the event counts
    tell("room-2", EventKind.DISCONNECTED, 5)
    tell("room-2", EventKind.CONNECTED, 30)
    tell("room-2", EventKind.LOT_STARTED, 40)  # says nothing of the link
    plant.sink.write_gap(Gap("room-1", 0, 11, 20, "", at(1), at(2), GapReason.CONNECTION_LOST))
    plant.sink.write_gap(Gap("room-1", 0, 31, 35, "", at(3), at(4), GapReason.CONNECTION_LOST))
    with reading(plant.company):
        found = links(plant.company, ["room-1", "room-2", "room-3"])
    assert found == [
        Link("room-1", up=False, since=at(20), last_at=None, open_gaps=0, missing=15),
        Link("room-2", up=True, since=at(30), last_at=None, open_gaps=0, missing=0),
        Link("room-3", up=None, since=None, last_at=None, open_gaps=0, missing=0),
    ]
