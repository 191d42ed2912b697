"""What the births of an edge node and its devices declared: which names there are, of which type, under which alias."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from baro.edge.sparkplug.errors import ValueInvalidError
from baro.edge.sparkplug.outputs import Reading
from baro.edge.sparkplug.types import DataType, Metric, Template, Value
from baro.edge.sparkplug.values import datatype, unpack

METRICS_MOST = 100_000  # names that are kept of one edge node
QUALITY = "Quality"
UNITS = ("engUnit", "Engineering Units", "EngUnit")


class Declared(NamedTuple):
    """What a birth declared of a metric."""

    type: DataType
    unit: str


class Births:
    """The metrics of an edge node (device "") and of its devices."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Declared]] = {}
        self._aliases: dict[int, tuple[str, str] | None] = {}

    def clear(self) -> None:
        """An NBIRTH: nothing of before counts."""
        self._known.clear()
        self._aliases.clear()

    def has(self, device: str) -> bool:
        """Was there a birth of this device?"""
        return device in self._known

    def forget(self, device: str) -> None:
        """A device that died bears no names."""
        self._known.pop(device, None)
        for alias, meant in list(self._aliases.items()):
            if meant is not None and meant[0] == device:
                del self._aliases[alias]

    def declare(self, device: str, metrics: Sequence[Metric]) -> tuple[tuple[Reading, ...], list[str]]:
        """A birth: its values, and what is wrong with it."""
        self.forget(device)
        known = self._known[device] = {}
        room = METRICS_MOST - sum(map(len, self._known.values()))
        readings: list[Reading] = []
        faults: list[str] = []
        for name, metric in self._flat(metrics, device):
            if len(known) >= room:
                faults.append(f"more than {METRICS_MOST} metrics")
                break
            try:
                if not name:
                    raise ValueInvalidError("a metric of a birth without a name")
                known[name] = Declared(datatype(metric.datatype), _unit(metric))
            except ValueInvalidError as error:
                faults.append(f"{name}: {error}")
                continue
            if metric.alias is not None:
                taken = self._aliases.get(metric.alias, (device, name)) != (device, name)
                self._aliases[metric.alias] = None if taken else (device, name)
                if taken:
                    faults.append(f"{name}: alias {metric.alias} is another metric's too")
            readings.append(_reading(name, metric, known[name]))
        return tuple(readings), faults

    def read(self, device: str, metrics: Sequence[Metric], aliases: bool) -> tuple[tuple[Reading, ...], list[str]]:
        """Data: its values, and the names that no birth declared. aliases: may they be trusted?"""
        known = self._known[device]
        readings: list[Reading] = []
        unknown: list[str] = []
        for name, metric in self._flat(metrics, device, aliases):
            if name in known:
                readings.append(_reading(name, metric, known[name]))
            else:
                unknown.append(name or f"alias {metric.alias}")
        return tuple(readings), unknown

    def _flat(
        self, metrics: Sequence[Metric], device: str, aliases: bool = True, prefix: str = ""
    ) -> Iterator[tuple[str, Metric]]:
        """Metrics with their full names; instances of templates by their members, definitions not at all."""
        for metric in metrics:
            name = metric.name or ""
            if not name and not prefix and aliases and metric.alias is not None:
                meant = self._aliases.get(metric.alias)
                name = meant[1] if meant is not None and meant[0] == device else ""
            template = metric.packed.value if metric.packed is not None else None
            if not isinstance(template, Template):
                yield prefix + name if name else "", metric
            elif not template.is_definition:
                if metric.name and metric.alias is not None:  # members are told below the instance's alias later
                    self._aliases.setdefault(metric.alias, (device, metric.name))
                yield from self._flat(template.metrics, device, aliases, f"{prefix}{name}/")


def _unit(metric: Metric) -> str:
    properties = metric.properties or {}
    found = next((properties[key].value for key in UNITS if key in properties), "")
    return found if isinstance(found, str) else ""


def _reading(name: str, metric: Metric, declared: Declared) -> Reading:
    value: Value | None = None
    fault = ""
    if not metric.is_null:
        try:
            if metric.packed is None:
                raise ValueInvalidError("no value was sent")
            value = unpack(declared.type, metric.packed)
        except ValueInvalidError as error:
            fault = str(error)
    said = (metric.properties or {}).get(QUALITY)
    quality = said.value if said is not None and isinstance(said.value, int) else None
    return Reading(
        name,
        metric.timestamp,
        declared.type,
        value,
        quality,
        metric.is_historical,
        metric.is_transient,
        declared.unit,
        fault,
    )
