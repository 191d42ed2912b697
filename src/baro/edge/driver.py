"""The seam between a protocol and the gateway.

A driver is one plain class, built from its own settings object. It does nothing until `run` is awaited;
then it connects, reports what it sees through `emit`, and connects again for ever, until it is cancelled.
Drivers are read-only: `write` of one exists only where its settings hold an allow-list, and is called only for an
approved, logged command. They are found by entry points of the group ``baro.drivers``::

    class ExampleDriver:
        name = "example"
        schemes = ("example",)             # of the addresses it reads
        Settings = ExampleSettings         # a frozen pydantic model, all of it JSON, first of all `url`

        def __init__(self, settings: ExampleSettings) -> None: ...
        async def run(self, emit: Emit) -> None: ...

        def resume(self, seen: Mapping[str, LastSeen]) -> None: ...    # optional: before `run`, what is kept already

        def hold(self, gate: asyncio.Event) -> None: ...               # optional: before `run`; while it is clear, wait
                                                                       # with what does not run away, such as files

        Look = ExampleLook                 # optional: what has to be known to look; default: Settings

        @staticmethod
        async def explore(look: ExampleLook) -> Offer: ...             # optional: what the wizard shows

        @staticmethod
        def choose(look: ExampleLook, chosen: Sequence[Choice]) -> ExampleSettings: ...           # with `explore`

        columns = (Column("tag", required=True), ...)                  # optional, of a protocol without names: the
                                                                       # columns of its map (`baro.edge.maps`)
        @staticmethod
        def entries(look: ExampleLook, rows: Sequence[Row]) -> Entries: ...                       # with `columns`

        @staticmethod
        async def peek(look: ExampleLook, entries: Sequence[Entry]) -> list[Peeked]: ...          # with `columns`

        def kept(self, emissions: Sequence[Emission]) -> None: ...        # optional: these are in the spool

        async def write(self, command: Mapping[str, object]) -> Mapping[str, object]: ...         # optional

Settings hold the names of secrets (`baro.edge.secrets`), never their values.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from baro.edge.blocks import Axis, Value
from baro.edge.errors import DriverUnknownError, SettingsInvalidError


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
    numbers, 1-D. late: told after the fact, so not the current value, nor a sign of how the source's clock goes.
    replayed: of any age, such as what a subscription begins with or what the server kept while there was no link;
    in order all the same."""

    source: str
    time: datetime
    quality: int
    lot: str
    tag: str
    value: Value
    late: bool = False
    replayed: bool = False


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


class LastSeen(NamedTuple):
    """What is kept of a source: the lot it was in, the time of each tag's newest sample, and that of the newest
    observation of all."""

    lot: str
    tags: Mapping[str, datetime]
    time: datetime | None = None


class DriverSettings(BaseModel):
    """What the settings of every driver are: frozen, JSON, nothing unknown. Descriptions are shown by the wizard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="Address of the server or folder.")


NodeKind = Literal["folder", "tag", "spectrum", "state", "method"]


@dataclass(frozen=True, slots=True)
class Node:
    """Something that a server offers. `path` names it within the offer; the rest is as it was served at `time`.

    type: the protocol's own word for what the value is. axis: of a spectrum. labels: words of a state's numbers
    0, 1, 2, ... range: lowest and highest value in normal use, where the server tells it. source, tag: the names that
    the driver proposes for it in Baro. address: the node as the protocol names it.
    """

    path: str
    label: str
    kind: NodeKind
    type: str = ""
    unit: str = ""
    value: Value | None = None
    time: datetime | None = None
    quality: int = 0
    axis: Axis | None = None
    labels: tuple[str, ...] = ()
    range: tuple[float, float] | None = None
    source: str = ""
    tag: str = ""
    address: str = ""
    children: tuple[Node, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offers. notes: short sentences in English, such as what was left out."""

    nodes: tuple[Node, ...]
    notes: tuple[str, ...] = ()

    def walk(self) -> Iterator[Node]:
        """Every node, from top to bottom."""
        for node in self.nodes:
            yield from node.walk()


@dataclass(frozen=True, slots=True)
class Choice:
    """A node that shall be collected, under the names that it shall have."""

    path: str
    source: str
    tag: str = ""


class Driver(Protocol):
    """What the gateway needs of a protocol."""

    async def run(self, emit: Emit) -> None:
        """Report for ever. `emit` is cheap and never blocks; call it from the event loop, in the order
        served."""


def driver_names() -> list[str]:
    """The names of all installed drivers."""
    return sorted(entry.name for entry in _entries())


def load_driver(name: str) -> Any:
    """The class of an installed driver; call it with its settings. Raises DriverUnknownError."""
    for entry in _entries():
        if entry.name == name:
            return entry.load()
    raise DriverUnknownError(name)


def driver_of(url: str) -> str:
    """The name of the driver that reads an address, by its scheme. Raises DriverUnknownError."""
    try:
        scheme = urlsplit(url).scheme.lower()
    except ValueError as error:
        raise DriverUnknownError(url) from error
    for entry in _entries():
        if scheme and scheme in getattr(entry.load(), "schemes", ()):
            return entry.name
    raise DriverUnknownError(url)


def schemes() -> list[str]:
    """The schemes of addresses that the installed drivers read."""
    return sorted({scheme for entry in _entries() for scheme in getattr(entry.load(), "schemes", ())})


def settings_of(name: str, values: Mapping[str, object]) -> Any:
    """The settings object of a driver, from JSON. Raises DriverUnknownError, SettingsInvalidError."""
    return _validated(load_driver(name).Settings, values)


def look_of(name: str, values: Mapping[str, object]) -> Any:
    """What a driver has to know to look at a device, from JSON. Raises DriverUnknownError, SettingsInvalidError."""
    kind = load_driver(name)
    return _validated(getattr(kind, "Look", kind.Settings), values)


def refusal_json(error: Exception | None) -> dict[str, str]:
    """Why something was refused, for whoever puts it into a person's words: the error's name and detail, and the
    certificate (base64 of DER) if it is about one. Empty for None."""
    if error is None:
        return {}
    told = {"error": type(error).__name__, "detail": getattr(error, "detail", str(error))}
    certificate = getattr(error, "certificate", b"")
    return told | ({"certificate": base64.b64encode(certificate).decode()} if certificate else {})


def _validated(kind: type[BaseModel], values: Mapping[str, object]) -> Any:
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalidError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _entries() -> list[EntryPoint]:
    return list(entry_points(group="baro.drivers"))
