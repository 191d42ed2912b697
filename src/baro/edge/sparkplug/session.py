"""What the sessions of host applications and edge nodes have in common: what they ask of the MQTT client, and
tables of states."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from baro.edge.sparkplug.errors import MisuseError

REBIRTH = "Node Control/Rebirth"
BDSEQ = "bdSeq"
SEQUENCES = 256  # seq and bdSeq go from 0 to 255 and begin again


class Publish(NamedTuple):
    """Publish this, in this order."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class Subscribe(NamedTuple):
    """Subscribe to this."""

    filter: str
    qos: int


class Disconnect(NamedTuple):
    """Disconnect when all before it is published; `with_will`: with reason code 4 of MQTT 5, so that the broker
    publishes the will."""

    with_will: bool


S = TypeVar("S", bound=Enum)
H = TypeVar("H", bound=Enum)


class Machine(Generic[S, H]):
    """A state that changes by a table and by nothing else."""

    __slots__ = ("_table", "state")

    def __init__(self, table: Mapping[tuple[S, H], S], state: S) -> None:
        self._table = table
        self.state = state

    def on(self, happened: H) -> S:
        """The state after it. Raises MisuseError for what cannot happen in this state."""
        try:
            self.state = self._table[self.state, happened]
        except KeyError:
            raise MisuseError(f"{happened.name} while {self.state.name}") from None
        return self.state

    def may(self, happened: H) -> bool:
        """Can this happen in the state?"""
        return (self.state, happened) in self._table


def table(text: str, states: type[S], happenings: type[H]) -> dict[tuple[S, H], S]:
    """A table from its picture: a line a state, a column a happening, `.` for what cannot happen."""
    lines = [line.split() for line in text.strip().splitlines()]
    columns = [happenings[name] for name in lines[0]]
    return {
        (states[name], happened): states[target]
        for name, *targets in lines[1:]
        for happened, target in zip(columns, targets, strict=True)
        if target != "."
    }
