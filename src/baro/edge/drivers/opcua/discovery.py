"""What a server offers: ADI analysers by their type, machines by their name. Reads and browses only.

NodeIds of types: OPC 10020 (ADI) 1.01, OPC 10000-100 (DI), OPC 10000-8 (data access).
"""

# asyncua declares types that its own values do not have (int for NodeId, ua.ObjectIds not exported)
# mypy: disable-error-code="attr-defined,arg-type"

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import numpy as np
from asyncua import Client, ua

from baro.edge.blocks import Axis
from baro.edge.errors import AxisInvalidError

ADI = "http://opcfoundation.org/UA/ADI/"
ANALYSER_DEVICE_TYPE = 1001
STREAM_TYPE = 1010
DEPTH = 8  # levels below Objects, or below a device, that are searched
UNITS = {"1/cm": "cm-1", "cm^-1": "cm-1", "cm⁻¹": "cm-1", "nanometre": "nm", "nanometer": "nm"}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of an analyser: the nodes that together make a spectrum. Optional ones may be None."""

    source: str
    data: ua.NodeId
    counter: ua.NodeId
    axis: ua.NodeId | None
    lot: ua.NodeId | None
    sample: ua.NodeId | None


@dataclass(frozen=True, slots=True)
class Machine:
    """Variables of a machine: tag name -> (node, engineering unit), and its lot number. chosen: one by one, by the
    settings, so that texts and arrays are meant as well."""

    source: str
    tags: Mapping[str, tuple[ua.NodeId, str]]
    lot: ua.NodeId | None
    chosen: bool = False


class AxisSource:
    """The X axis of a stream's data, as the server describes it.

    AxisInformation.axisSteps are the points; where they are empty the points are spread evenly over
    EURange, which needs the number of points of a spectrum.
    """

    def __init__(self, information: object) -> None:
        if not isinstance(information, ua.AxisInformation):
            raise AxisInvalidError(f"XAxisDefinition is {type(information).__name__}")
        name = str(getattr(information.EngineeringUnits.DisplayName, "Text", None) or "").strip()
        self.unit = UNITS.get(name, name)
        self._steps = [float(step) for step in information.AxisSteps or []]
        self._range = (float(information.EURange.Low), float(information.EURange.High))
        self._linear = information.AxisScaleType == ua.AxisScaleEnumeration.Linear
        self._spread: Axis | None = None
        self._fixed = self._checked(self._steps) if self._steps else None

    def of(self, points: int) -> Axis:
        """The axis of a spectrum of `points` values. Raises AxisInvalidError when there is none."""
        if self._fixed is not None:
            if len(self._fixed) != points:
                raise AxisInvalidError(f"{points} values on an axis of {len(self._fixed)}")
            return self._fixed
        if self._spread is None:
            if not self._linear:
                raise AxisInvalidError("no axis steps, and the scale is not linear")
            self._spread = self._checked(np.linspace(*self._range, points).tolist())
        if len(self._spread) != points:
            raise AxisInvalidError(f"{points} values on an axis of {len(self._spread)}")
        return self._spread

    def _checked(self, values: list[float]) -> Axis:
        steps = np.diff(values)
        if not self.unit:
            raise AxisInvalidError("no engineering unit")
        if len(values) < 2 or not np.all(np.isfinite(values)) or not (np.all(steps > 0) or np.all(steps < 0)):
            raise AxisInvalidError("not strictly monotonic")
        return Axis(tuple(values), self.unit)


async def find_streams(client: Client, wanted: Mapping[str, str]) -> list[Stream]:
    """Every stream of the wanted analysers (BrowseName -> source; empty: all, named after themselves).

    A source with several streams gets its channel's and stream's names appended.
    """
    namespaces = await client.get_namespace_array()
    if ADI not in namespaces:
        return []
    index = namespaces.index(ADI)
    devices = await _subtypes(client, ua.NodeId(ANALYSER_DEVICE_TYPE, index))
    stream_types = await _subtypes(client, ua.NodeId(STREAM_TYPE, index))
    found: list[Stream] = []
    async for _, device in _walk(client, ua.NodeId(ua.ObjectIds.ObjectsFolder), stop_at=devices):
        name = device.BrowseName.Name
        if device.TypeDefinition not in devices or (wanted and name not in wanted):
            continue
        source = wanted.get(name, name.lower())
        streams = []
        async for path, node in _walk(client, device.NodeId, stop_at=stream_types):
            if node.TypeDefinition in stream_types:
                streams.append((path, await _variables(client, node.NodeId)))
        needed = {"ScaledData", "AcquisitionCounter"}
        complete = [(path, nodes) for path, nodes in streams if needed <= set(nodes)]
        for path, nodes in complete:
            full = source if len(complete) == 1 else f"{source}/{path.lower()}"
            found.append(await _stream(client, full, nodes))
    return found


async def find_machines(client: Client, wanted: Mapping[str, str]) -> list[Machine]:
    """The wanted objects (BrowseName -> source) with their analog variables: those that have
    EngineeringUnits. Tags are named by their browse path below the object."""
    found: list[Machine] = []
    if not wanted:
        return found
    names = set(wanted)
    async for _, node in _walk(client, ua.NodeId(ua.ObjectIds.ObjectsFolder)):
        name = node.BrowseName.Name
        if name in names:
            names.discard(name)
            found.append(await _machine(client, wanted[name], node.NodeId))
    return found


async def _stream(client: Client, source: str, nodes: Mapping[str, ua.NodeId]) -> Stream:
    axis = await _property(client, nodes["ScaledData"], "XAxisDefinition")
    return Stream(
        source,
        nodes["ScaledData"],
        nodes["AcquisitionCounter"],
        axis,
        nodes.get("LotId", nodes.get("BatchId")),
        nodes.get("SampleId"),
    )


async def _machine(client: Client, source: str, root: ua.NodeId) -> Machine:
    tags: dict[str, tuple[ua.NodeId, str]] = {}
    lot: ua.NodeId | None = None
    async for path, node in _walk(client, root):
        if node.NodeClass != ua.NodeClass.Variable:
            continue
        if node.BrowseName.Name == "LotId":
            lot = lot or node.NodeId
            continue
        unit = await _property(client, node.NodeId, "EngineeringUnits")
        if unit is not None:
            information = await client.get_node(unit).read_value()
            tags[path] = (node.NodeId, str(getattr(information.DisplayName, "Text", None) or ""))
    return Machine(source, tags, lot)


async def _subtypes(client: Client, root: ua.NodeId) -> set[ua.NodeId]:
    """A type and everything derived from it."""
    found = {root}
    queue = [root]
    while queue:
        node = client.get_node(queue.pop())
        for reference in await node.get_references(refs=ua.ObjectIds.HasSubtype, direction=ua.BrowseDirection.Forward):
            if reference.NodeId not in found:
                found.add(reference.NodeId)
                queue.append(reference.NodeId)
    return found


async def _walk(
    client: Client, root: ua.NodeId, stop_at: set[ua.NodeId] | None = None
) -> AsyncIterator[tuple[str, ua.ReferenceDescription]]:
    """Objects and variables below `root`, breadth first, each once, with their browse path. The properties of
    variables, the Server object and what lies below instances of the types `stop_at` are left out."""
    seen = {root, ua.NodeId(ua.ObjectIds.Server)}
    level = [("", root)]
    for _ in range(DEPTH):
        below = []
        for path, parent in level:
            references = await client.get_node(parent).get_references(
                refs=ua.ObjectIds.HierarchicalReferences,
                direction=ua.BrowseDirection.Forward,
                nodeclassmask=ua.NodeClass.Object | ua.NodeClass.Variable,
            )
            for reference in references:
                is_property = reference.ReferenceTypeId.Identifier == ua.ObjectIds.HasProperty
                if reference.NodeId in seen or is_property:
                    continue
                seen.add(reference.NodeId)
                name = reference.BrowseName.Name
                here = f"{path}/{name}" if path else name
                yield here, reference
                is_object = reference.NodeClass == ua.NodeClass.Object
                if is_object and not (stop_at and reference.TypeDefinition in stop_at):
                    below.append((here, reference.NodeId))
        level = below


async def _variables(client: Client, root: ua.NodeId) -> dict[str, ua.NodeId]:
    """Variables below an object by their name. Parameters may hang in the ParameterSet, in functional
    groups or in both; the first found counts."""
    found: dict[str, ua.NodeId] = {}
    async for _, node in _walk(client, root):
        if node.NodeClass == ua.NodeClass.Variable:
            found.setdefault(node.BrowseName.Name, node.NodeId)
    return found


async def _property(client: Client, node: ua.NodeId, name: str) -> ua.NodeId | None:
    for reference in await client.get_node(node).get_references(
        refs=ua.ObjectIds.HasProperty, direction=ua.BrowseDirection.Forward
    ):
        if reference.BrowseName.Name == name:
            found: ua.NodeId = reference.NodeId
            return found
    return None
