"""What a host application learns of edge nodes and devices. `device` is "" for the edge node itself; times are
milliseconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from baro.edge.sparkplug.topics import Node, Topic
from baro.edge.sparkplug.types import DataType, Value


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric. `time` is None when none was sent. `value` is None for a null, and when `fault` says why what was
    sent is no value of its type. `quality`: the number of the property Quality, None when absent."""

    name: str
    time: int | None
    type: DataType
    value: Value | None
    quality: int | None = None
    historical: bool = False
    transient: bool = False
    unit: str = ""
    fault: str = ""


class Born(NamedTuple):
    """An NBIRTH or DBIRTH: all metrics, with their current values."""

    node: Node
    device: str
    time: int
    readings: tuple[Reading, ...]


class Data(NamedTuple):
    """An NDATA or DDATA."""

    node: Node
    device: str
    time: int
    readings: tuple[Reading, ...]


class Died(NamedTuple):
    """From `time` on the last values are stale."""

    node: Node
    device: str
    time: int
    reason: str


class Refused(NamedTuple):
    """A message, or a part of it, that was not understood."""

    topic: Topic | str
    reason: str
    payload: bytes


class Lost(NamedTuple):
    """Messages of the edge node are missing, or could not be attributed."""

    node: Node
    time: int
    reason: str


class Ask(NamedTuple):
    """The edge node shall tell its births again."""

    node: Node


Output = Born | Data | Died | Refused | Lost
