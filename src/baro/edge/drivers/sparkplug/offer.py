"""What speaks at a broker, as a tree with live values: for the wizard and the command line.

A host application under another name listens for a few seconds. Edge nodes that say anything meanwhile are asked
for their births; from those that are silent nothing can be known.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

from baro.edge.blocks import Axis, utc_now
from baro.edge.driver import Choice, Node, Offer
from baro.edge.drivers.sparkplug.line import Line
from baro.edge.drivers.sparkplug.mapping import device_name, is_data, time_of, value_of
from baro.edge.drivers.sparkplug.settings import SparkplugSettings, SpectrumSettings
from baro.edge.errors import LinkLostError
from baro.edge.sparkplug.outputs import Born, Data, Output, Reading
from baro.edge.sparkplug.types import DataSet, DataType

LISTEN_S = 4.0
LOT = "LotId"  # the tag by which a choice says that a metric holds the lot
NUMBERS = frozenset(range(DataType.INT8, DataType.DOUBLE + 1))


async def explore(settings: SparkplugSettings) -> Offer:
    """Listen with the login that shall be used later. Raises LinkLostError, SecretMissingError."""
    devices: dict[str, dict[str, Reading]] = {}

    def seen(output: Output) -> None:
        if isinstance(output, Born | Data):
            known = devices.setdefault(device_name(output.node, output.device), {})
            known.update({one.name: one for one in output.readings})

    host = f"{settings.host or 'baro'}-look"
    look = settings.model_copy(update={"host": host, "sources": {}, "tags": {}, "spectra": (), "topics": ()})
    line = Line(look, lambda emissions: None, seen)
    task = asyncio.create_task(line.hold())
    await asyncio.wait({task}, timeout=LISTEN_S)
    if task.done():
        error = task.exception()
        raise LinkLostError(f"{type(error).__name__}: {error}") from error
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    note = f"listened for {LISTEN_S:g} s: edge nodes that said nothing meanwhile are not shown"
    return Offer(tuple(_device(name, devices[name]) for name in sorted(devices)), (note,))


def choose(settings: SparkplugSettings, chosen: Sequence[Choice]) -> SparkplugSettings:
    """The settings that collect what was chosen of an offer, and nothing else."""
    sources: dict[str, str] = {}
    tags: dict[str, str] = {}
    lots: dict[str, str] = {}
    spectra: list[SpectrumSettings] = []
    for one in chosen:
        kind, device, metric, *columns = json.loads(one.path)
        if kind == "spectrum":
            x, y = columns
            spectra.append(SpectrumSettings(device=device, metric=metric, source=one.source, x=x, y=y))
            continue
        sources[device] = one.source
        tags[f"{device}#{metric}"] = one.tag or metric
        if one.tag == LOT:
            lots[one.source] = metric
    update = {"sources": sources, "tags": tags, "lots": lots, "spectra": tuple(spectra)}
    return settings.model_copy(update=update)


def _device(name: str, readings: Mapping[str, Reading]) -> Node:
    children = [_metric(name, one) for _, one in sorted(readings.items()) if is_data(one)]
    return Node(path=json.dumps(["folder", name]), label=name, kind="folder", children=tuple(children))


def _metric(device: str, reading: Reading) -> Node:
    spectrum = _spectrum(device, reading)
    if spectrum is not None:
        return spectrum
    value, quality = value_of(reading)
    return Node(
        path=json.dumps(["tag", device, reading.name]),
        label=reading.name,
        kind="tag",
        type=reading.type.name,
        unit=reading.unit,
        value=value,
        time=time_of(reading.time, utc_now()),
        quality=quality,
        source=device,
        tag=reading.name,
        address=f"{device}#{reading.name}",
    )


def _spectrum(device: str, reading: Reading) -> Node | None:
    """A DataSet whose first column of numbers can be an axis for the last one."""
    table = reading.value
    if not isinstance(table, DataSet) or len(table.rows) < 2:
        return None
    numbers = [name for name, type_ in zip(table.columns, table.types, strict=True) if type_ in NUMBERS]
    if len(numbers) < 2:
        return None
    x, y = numbers[0], numbers[-1]
    axis = table.column(x)
    steps = np.diff(axis)
    if not ((steps > 0).all() or (steps < 0).all()):
        return None
    return Node(
        path=json.dumps(["spectrum", device, reading.name, x, y]),
        label=reading.name,
        kind="spectrum",
        type=reading.type.name,
        value=table.column(y),
        time=time_of(reading.time, utc_now()),
        axis=Axis(tuple(axis.tolist())),
        source=f"{device}/{reading.name}",
        address=f"{device}#{reading.name}",
    )
