"""From what a Sparkplug host application learned to what the gateway takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta

import numpy as np

from baro.edge.blocks import Value
from baro.edge.driver import Emission, LinkState, LotReport, Refusal, Sample, SamplesLost
from baro.edge.drivers.sparkplug.settings import SparkplugSettings
from baro.edge.drivers.sparkplug.spectra import SpectrumReader
from baro.edge.quality import (
    BAD,
    BAD_NO_DATA,
    BAD_OUT_OF_RANGE,
    BAD_TYPE_MISMATCH,
    GOOD,
    UNCERTAIN,
    UNCERTAIN_LAST_USABLE_VALUE,
    is_bad,
    judged,
)
from baro.edge.sparkplug.outputs import Born, Data, Died, Lost, Output, Reading, Refused
from baro.edge.sparkplug.session import BDSEQ
from baro.edge.sparkplug.topics import Node, Topic
from baro.edge.sparkplug.types import DataSet, DataType, Template

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CONTROL = ("Node Control/", "Device Control/")
LONGEST_TEXT = 65_536  # characters of a text that is made of a DataSet or an array of texts


def time_of(milliseconds: int | None, otherwise: datetime) -> datetime:
    """A time as sent; what is none, or beyond the years we know, is `otherwise`."""
    try:
        return otherwise if not milliseconds else EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return otherwise


def status_of(quality: int | None) -> int:
    """The status code for the number of the property Quality: 0, 192, 500, and what OPC DA has besides."""
    if quality is None or quality == 192:
        return GOOD
    if quality == 500:
        return UNCERTAIN_LAST_USABLE_VALUE
    return {0xC0: GOOD, 0x40: UNCERTAIN}.get(quality & 0xC0, BAD)


def value_of(reading: Reading) -> tuple[Value, int]:
    """The value of a sample, and its status."""
    status = status_of(reading.quality)
    value = reading.value
    if reading.fault:
        return math.nan, status if is_bad(status) else BAD_TYPE_MISMATCH
    if value is None:
        return math.nan, status if is_bad(status) else BAD_NO_DATA
    if reading.type is DataType.DATETIME and isinstance(value, int):
        moment = time_of(value, EPOCH)
        return moment.isoformat().replace("+00:00", "Z"), status
    if isinstance(value, bool | int | float):
        return judged(float(value), status)
    if isinstance(value, str):
        return value, status
    if isinstance(value, np.ndarray):
        return value.astype(np.float64), status
    if isinstance(value, list | DataSet):
        text = _text(value)
        return (text, status) if len(text) <= LONGEST_TEXT else (math.nan, BAD_OUT_OF_RANGE)
    return math.nan, BAD_TYPE_MISMATCH  # bytes and files are no values of a tag


def _text(value: list[str] | DataSet) -> str:
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps({"columns": value.columns, "rows": value.rows}, ensure_ascii=False)


class Devices:
    """Which device is which source, and what was last known of each."""

    def __init__(self, settings: SparkplugSettings) -> None:
        self.settings = settings
        self._tags: dict[str, dict[str, str]] = {}
        for place, tag in settings.tags.items():
            device, _, metric = place.partition("#")
            self._tags.setdefault(device, {})[metric] = tag
        self._last: dict[str, dict[str, tuple[Value, int]]] = {}  # by source and tag
        self._lots: dict[str, str] = {}
        self._readers: dict[str, list[SpectrumReader]] = {}
        for one in settings.spectra:
            self._readers.setdefault(one.device, []).append(SpectrumReader(one))

    def sources(self) -> tuple[str, ...]:
        """The sources that are named by the settings."""
        named = [*self.settings.sources.values(), *(one.source for one in self.settings.spectra)]
        return tuple(dict.fromkeys(named))

    def expected(self) -> tuple[Node, ...]:
        """The edge nodes that the settings name."""
        names = [*self.settings.sources, *(one.device for one in self.settings.spectra)]
        return tuple(dict.fromkeys(Node(*name.split("/")[:2]) for name in names if name.count("/") >= 1))

    def emissions(self, output: Output, now: datetime) -> list[Emission]:
        """What the gateway is told of an output."""
        if isinstance(output, Born | Data):
            return self._readings(output, now)
        if isinstance(output, Died):
            return self._died(output, now)
        if isinstance(output, Lost):
            return [SamplesLost(source, now, self._lots.get(source, "")) for source in self._of_node(output.node)]
        return self._refused(output, now)

    def _readings(self, output: Born | Data, now: datetime) -> list[Emission]:
        name = device_name(output.node, output.device)
        readers = self._readers.get(name, ())
        source = self._source(name)
        at = time_of(output.time, now)
        out: list[Emission] = []
        if isinstance(output, Born):
            births = self._sources(name)
            if births:
                units = ", ".join(f"{one.name} [{one.unit}]" for one in output.readings if one.unit)
                out.append(LinkState(births, True, at, f"{name} was born{f': {units}' if units else ''}"))
        taken: set[str] = set()
        for reader in readers:
            out += reader.take(output.readings, at)
            taken |= reader.taken
        if source:
            data = [one for one in output.readings if is_data(one, taken)]
            out += self._samples(source, data, at, isinstance(output, Born), self._tags.get(name))
        return out

    def _samples(
        self, source: str, readings: Sequence[Reading], at: datetime, birth: bool, tags: Mapping[str, str] | None
    ) -> Iterable[Emission]:
        """tags: metric → tag of those that are wanted; None: all, under their names."""
        lot_metric = self.settings.lots.get(source)
        last = self._last.setdefault(source, {})
        lot = self._lots.get(source, "")
        out: list[Emission] = []
        for reading in readings:
            if lot_metric is not None and reading.name == lot_metric and not reading.historical:
                fresh = reading.value if isinstance(reading.value, str) else ""
                if fresh != lot:
                    self._lots[source] = lot = fresh
                    out.append(LotReport(source, time_of(reading.time, at), lot))
        for reading in readings:
            tag = reading.name if tags is None else tags.get(reading.name)
            if tag is None:
                continue
            value, status = value_of(reading)
            if not reading.historical:
                last[tag] = value, status
            time = time_of(reading.time, at)
            out.append(Sample(source, time, status, lot, tag, value, reading.historical, birth))
        return out

    def _died(self, output: Died, now: datetime) -> list[Emission]:
        name = device_name(output.node, output.device)
        source = self._source(name)
        at = time_of(output.time, now)
        out: list[Emission] = []
        if source:
            lot = self._lots.get(source, "")
            for tag, (value, status) in self._last.pop(source, {}).items():
                if not is_bad(status):
                    out.append(Sample(source, at, UNCERTAIN_LAST_USABLE_VALUE, lot, tag, value))
        sources = tuple(
            dict.fromkeys([*([source] if source else []), *(one.source for one in self._readers.get(name, ()))])
        )
        if sources:
            out.append(LinkState(sources, False, at, f"{name}: {output.reason}"))
        return out

    def _refused(self, output: Refused, now: datetime) -> list[Emission]:
        if not isinstance(output.topic, Topic):
            return []
        source = self._source(device_name(output.topic.node, output.topic.device))
        reason = f"{output.topic.type}: {output.reason}"
        return [Refusal(source, None, now, None, reason, output.payload)] if source else []

    def _source(self, name: str) -> str:
        """The source of a device; "" for one that is not read."""
        if self.settings.sources or self.settings.spectra:
            return self.settings.sources.get(name, "")
        return name

    def _sources(self, name: str) -> tuple[str, ...]:
        """The sources of a device: of its samples, and of its spectra."""
        source = self._source(name)
        readers = self._readers.get(name, ())
        return tuple(dict.fromkeys([*([source] if source else []), *(reader.source for reader in readers)]))

    def _of_node(self, node: Node) -> list[str]:
        name = str(node)
        devices = self.settings.sources or {source: source for source in self._last}
        return [source for device, source in devices.items() if device == name or device.startswith(f"{name}/")]


def device_name(node: Node, device: str) -> str:
    return f"{node}/{device}" if device else str(node)


def is_data(reading: Reading, taken: Set[str] = frozenset()) -> bool:
    """Is this a value to be kept? Not those that steer the session, nor those marked as transient."""
    return not (
        reading.transient
        or reading.name == BDSEQ
        or reading.name.startswith(CONTROL)
        or reading.name in taken
        or isinstance(reading.value, Template)
    )
