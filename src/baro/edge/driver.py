"""The seam between a protocol and the gateway.

A driver is one plain class, built from its own settings object. It does nothing until `run` is awaited;
then it connects, reports what it sees through `emit`, and connects again for ever, until it is cancelled.
Drivers are read-only. They are found by entry points of the group ``baro.drivers``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import entry_points
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from baro.edge.blocks import Axis, Value
from baro.edge.errors import DriverUnknownError


class Spectrum(NamedTuple):
    """One spectrum as served. `axis` is the digest of an `Axis` emitted before; `values` is float32[p],
    finite."""

    source: str
    seq: int
    time: datetime
    quality: int
    lot: str
    sample: str
    axis: str
    values: npt.NDArray[np.float32]


class Sample(NamedTuple):
    """One value of a process tag as served: a number (a bool is 0 or 1, a state its number), a text, or an array of
    numbers, 1-D."""

    source: str
    time: datetime
    quality: int
    lot: str
    tag: str
    value: Value


class Refusal(NamedTuple):
    """A spectrum that was served but cannot be stored as one. `seq` is None when the device did not tell it,
    `lot` when it is not known.

    `payload` holds what arrived, as bytes, so that nothing is lost to an inspector.
    """

    source: str
    seq: int | None
    time: datetime
    lot: str | None
    reason: str
    payload: bytes


class LotReport(NamedTuple):
    """The equipment reports another lot ("" for none) without an observation that would say so."""

    source: str
    time: datetime
    lot: str


class SamplesLost(NamedTuple):
    """The server says that its queue of a process tag ran over before `time`."""

    source: str
    time: datetime
    lot: str


class LinkState(NamedTuple):
    """The link to these sources went up or down."""

    sources: tuple[str, ...]
    up: bool
    at: datetime
    detail: str


Emission = Spectrum | Sample | Axis | Refusal | LotReport | SamplesLost | LinkState
Emit = Callable[[Sequence[Emission]], None]


class Driver(Protocol):
    """What the gateway needs of a protocol."""

    async def run(self, emit: Emit) -> None:
        """Report for ever. `emit` is cheap and never blocks; call it from the event loop, in the order
        served."""


def load_driver(name: str) -> Callable[[object], Driver]:
    """The class of an installed driver; call it with its settings. Raises DriverUnknownError."""
    for entry in entry_points(group="baro.drivers", name=name):
        factory: Callable[[object], Driver] = entry.load()
        return factory
    raise DriverUnknownError(name)
