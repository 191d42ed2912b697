"""What a server offers, as a tree with live values: for the wizard and the command line. Reads and browses only.

Devices are known by their types: those of DI (OPC 10000-100), ADI (10020), LADS (30500), Machinery (40001) and
PackML (30050), each with everything derived from it.
"""

# asyncua declares types that its own values do not have (int for NodeId, ua.ObjectIds not exported)
# mypy: disable-error-code="attr-defined,arg-type"

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncua import Client, ua

from baro.edge.blocks import Axis
from baro.edge.driver import Choice, Node, Offer
from baro.edge.drivers.opcua.discovery import AxisSource, find_streams
from baro.edge.drivers.opcua.security import open_session, prepare
from baro.edge.drivers.opcua.settings import ChosenNode, OpcUaSettings
from baro.edge.drivers.opcua.values import address_of, value_of
from baro.edge.errors import AxisInvalidError

DEPTH = 9
NODES_MOST = 3000
AT_ONCE = 200  # nodes in one request
ANALYSER = "analyser:"
SKIPPED = {ua.ObjectIds.Server, ua.ObjectIds.Aliases, 31915}  # 31915: Locations
FAMILIES = {
    "http://opcfoundation.org/UA/DI/": "DI",
    "http://opcfoundation.org/UA/ADI/": "ADI",
    "http://opcfoundation.org/UA/LADS/": "LADS",
    "http://opcfoundation.org/UA/Machinery/": "Machinery",
    "http://opcfoundation.org/UA/PackML/": "PackML",
}
DEVICE_TYPES = {"DeviceType", "AnalyserDeviceType", "LADSDeviceType", "PackMLBaseObjectType"}
MACHINES_FOLDER = "Machines"
PROPERTIES = ("EngineeringUnits", "EnumStrings", "TrueState", "FalseState", "XAxisDefinition", "EURange")
CLASSES = ua.NodeClass.Object | ua.NodeClass.Variable | ua.NodeClass.Method


@dataclass(slots=True)
class _Found:
    """A node on the way into the tree. `device`: the device it belongs to, None above all devices."""

    reference: ua.ReferenceDescription
    path: tuple[str, ...]
    device: _Found | None = None
    family: str = ""
    children: list[_Found] = field(default_factory=list)
    properties: dict[str, ua.NodeId] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.reference.BrowseName.Name)


async def explore(settings: OpcUaSettings) -> Offer:
    """Look at a server with the security and user that shall be used later.

    Raises the errors of `security.prepare` and `security.open_session`.
    """
    secured = await prepare(settings, settings.silence_s)
    client = secured.client
    await open_session(secured, settings.url)
    try:
        policy = str(secured.endpoint.SecurityPolicyUri).rsplit("#", 1)[-1]
        notes = [f"security: {policy}, {secured.endpoint.SecurityMode.name.rstrip('_')}"]
        nodes = await _Tree(client, notes).read()
        return Offer(tuple(nodes), tuple(notes))
    finally:
        await client.disconnect()


def choose(settings: OpcUaSettings, chosen: Sequence[Choice]) -> OpcUaSettings:
    """The settings that collect what was chosen of an offer, and nothing else."""
    analysers = {one.path.removeprefix(ANALYSER): one.source for one in chosen if one.path.startswith(ANALYSER)}
    rest = [one for one in chosen if not one.path.startswith(ANALYSER)]
    nodes = [ChosenNode(source=one.source, tag=one.tag, node=one.path) for one in rest if one.tag != "LotId"]
    lots = {one.source: one.path for one in rest if one.tag == "LotId"}
    return settings.model_copy(update={"analysers": analysers, "machines": {}, "nodes": tuple(nodes), "lots": lots})


class _Tree:
    """One reading of a server's address space."""

    def __init__(self, client: Client, notes: list[str]) -> None:
        self.client = client
        self.notes = notes
        self.namespaces: Sequence[str] = ()
        self._types: dict[ua.NodeId, tuple[str, str]] = {}
        self._left_out = 0

    async def read(self) -> list[Node]:
        self.namespaces = await self.client.get_namespace_array()
        roots, found = await self._walk()
        values = await self._values([one for one in found if one.reference.NodeClass == ua.NodeClass.Variable])
        analysers = await self._analysers()
        nodes = [self._node(root, values, analysers) for root in roots]
        if self._left_out:
            self.notes.append(f"left out: {self._left_out} variables whose values are neither number, text nor array")
        return [node for node in nodes if node is not None]

    async def _walk(self) -> tuple[list[_Found], list[_Found]]:
        """The tree below Objects, level by level, each node once."""
        seen = {ua.NodeId(ua.ObjectIds.ObjectsFolder), *(ua.NodeId(number) for number in SKIPPED)}
        roots: list[_Found] = []
        every: list[_Found] = []
        level: list[tuple[_Found | None, ua.NodeId]] = [(None, ua.NodeId(ua.ObjectIds.ObjectsFolder))]
        for _ in range(DEPTH):
            below: list[tuple[_Found | None, ua.NodeId]] = []
            for (parent, _id), references in zip(level, await self._browse([id_ for _, id_ in level]), strict=True):
                for reference in references:
                    if reference.ReferenceTypeId.Identifier == ua.ObjectIds.HasProperty:
                        if parent is not None and reference.BrowseName.Name in PROPERTIES:
                            parent.properties[reference.BrowseName.Name] = reference.NodeId
                        continue
                    if reference.NodeId in seen:
                        continue
                    if len(every) >= NODES_MOST:
                        self.notes.append(f"only the first {NODES_MOST} nodes are shown")
                        return roots, every
                    seen.add(reference.NodeId)
                    one = _Found(reference, (*(parent.path if parent else ()), str(reference.BrowseName.Name)))
                    await self._place(one, parent)
                    (parent.children if parent else roots).append(one)
                    every.append(one)
                    if reference.NodeClass != ua.NodeClass.Method:
                        below.append((one, reference.NodeId))
            level = below
            if not level:
                break
        return roots, every

    async def _place(self, one: _Found, parent: _Found | None) -> None:
        """Which device does it belong to: one of a known type, or the outermost object that is no folder."""
        one.device = parent.device if parent else None
        if one.reference.NodeClass != ua.NodeClass.Object or one.device is not None:
            return
        name, one.family = await self._type(one.reference.TypeDefinition)
        in_machines = parent is not None and parent.name == MACHINES_FOLDER
        if in_machines and not one.family:
            one.family = "Machinery"
        is_folder = name in ("FolderType", "") or one.name in (
            MACHINES_FOLDER,
            "DeviceSet",
            "NetworkSet",
            "DeviceTopology",
        )
        if (one.family and not is_folder) or in_machines or (parent is None and not is_folder):
            one.device = one

    async def _type(self, type_: ua.NodeId) -> tuple[str, str]:
        """A type's name, and the family of companion specification it descends from."""
        if type_ not in self._types:
            at: ua.NodeId | None = type_
            first, family = "", ""
            for _ in range(10):
                if at is None or at.is_null():
                    break
                try:
                    name = str((await self.client.get_node(at).read_browse_name()).Name)
                except ua.UaError:
                    break
                first = first or name
                space = self.namespaces[at.NamespaceIndex] if at.NamespaceIndex < len(self.namespaces) else ""
                if name in DEVICE_TYPES and space in FAMILIES:
                    family = family or FAMILIES[space]
                if at.NamespaceIndex == 0:
                    break
                parents = await self.client.get_node(at).get_references(
                    refs=ua.ObjectIds.HasSubtype, direction=ua.BrowseDirection.Inverse
                )
                at = parents[0].NodeId if parents else None
            self._types[type_] = (first, family)
        return self._types[type_]

    async def _browse(self, ids: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """The hierarchical references of many nodes."""
        out: list[list[ua.ReferenceDescription]] = []
        session = self.client.uaclient.session
        for start in range(0, len(ids), AT_ONCE):
            parameters = ua.BrowseParameters()
            parameters.RequestedMaxReferencesPerNode = 0
            parameters.NodesToBrowse = [_description(id_) for id_ in ids[start : start + AT_ONCE]]
            for result in await session.browse(parameters):
                references = list(result.References or [])
                point = result.ContinuationPoint
                while point:
                    more = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
                    (following,) = await session.browse_next(more)
                    references += following.References or []
                    point = following.ContinuationPoint
                out.append(references)
        return out

    async def _values(self, variables: Sequence[_Found]) -> dict[ua.NodeId, dict[str, Any]]:
        """Of each variable: its value with status and times, its data type, and its properties."""
        wanted: list[tuple[ua.NodeId, str, ua.NodeId, int]] = []
        for one in variables:
            id_ = one.reference.NodeId
            wanted.append((id_, "value", id_, ua.AttributeIds.Value))
            wanted.append((id_, "type", id_, ua.AttributeIds.DataType))
            wanted += [(id_, name, node, ua.AttributeIds.Value) for name, node in one.properties.items()]
        out: dict[ua.NodeId, dict[str, Any]] = {one.reference.NodeId: {} for one in variables}
        session = self.client.uaclient.session
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            parameters = ua.ReadParameters()
            parameters.NodesToRead = [
                ua.ReadValueId(NodeId=node, AttributeId=attribute) for _, _, node, attribute in part
            ]
            for (id_, name, _, _), value in zip(part, await session.read(parameters), strict=True):
                out[id_][name] = value
        return out

    async def _analysers(self) -> dict[str, str]:
        """BrowseName of each ADI analyser with a complete stream -> proposed source."""
        return {stream.source.split("/")[0]: stream.source for stream in await find_streams(self.client, {})}

    def _node(
        self, one: _Found, values: Mapping[ua.NodeId, Mapping[str, Any]], analysers: Mapping[str, str]
    ) -> Node | None:
        reference = one.reference
        label = str(getattr(reference.DisplayName, "Text", None) or one.name)
        address = address_of(reference.NodeId, self.namespaces)
        device = one.device
        source = _slug(device.name) if device is not None else ""
        below = "/".join(one.path[len(device.path) :]) if device is not None else "/".join(one.path)
        children = [self._node(child, values, analysers) for child in one.children]
        node = Node(
            path=address, label=label, kind="folder", source=source, address=address,
            children=tuple(child for child in children if child is not None),
        )  # fmt: skip
        if reference.NodeClass == ua.NodeClass.Method:
            return replace(node, kind="method", tag=below)
        if reference.NodeClass == ua.NodeClass.Variable:
            return self._variable(node, below, values[reference.NodeId])
        if device is one:
            type_ = f"{self._types.get(reference.TypeDefinition, ('', ''))[0]} {one.family}".strip()
            node = replace(node, type=type_)
        if one.family == "ADI" and one.name.lower() in analysers:
            return replace(node, kind="spectrum", path=f"{ANALYSER}{one.name}", **_spectrum(one, values))
        return node if node.children or one.family else None

    def _variable(self, node: Node, tag: str, read: Mapping[str, Any]) -> Node | None:
        served = read["value"]
        variant = served.Value
        raw = None if variant is None else variant.Value
        value = value_of(raw)
        if value is None and raw is not None:
            self._left_out += 1
            return None if not node.children else node
        labels = _labels(read)
        return replace(
            node,
            kind="state" if labels else "tag",
            type=_type_name(read.get("type")),
            unit=_unit(read),
            value=value,
            time=served.SourceTimestamp or served.ServerTimestamp,
            quality=0 if served.StatusCode is None else served.StatusCode.value,
            labels=labels,
            range=_range(read),
            tag=tag,
        )


def _spectrum(one: _Found, values: Mapping[ua.NodeId, Mapping[str, Any]]) -> dict[str, Any]:
    """The newest spectrum of an analyser, with its axis."""
    for child in _all_below(one):
        if child.name == "ScaledData":
            read = values.get(child.reference.NodeId, {})
            served = read.get("value")
            if served is None or served.Value is None:
                return {}
            found: dict[str, Any] = {"value": value_of(served.Value.Value), "time": served.SourceTimestamp}
            information = read.get("XAxisDefinition")
            axis: Axis | None = None
            if information is not None and information.Value is not None and hasattr(found["value"], "__len__"):
                try:
                    axis = AxisSource(information.Value.Value).of(len(found["value"]))
                except AxisInvalidError:
                    axis = None
            return found | {"axis": axis, "unit": axis.unit if axis else ""}
    return {}


def _all_below(one: _Found) -> Iterable[_Found]:
    for child in one.children:
        yield child
        yield from _all_below(child)


def _description(id_: ua.NodeId) -> ua.BrowseDescription:
    description = ua.BrowseDescription()
    description.NodeId = id_
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.NodeClassMask = CLASSES
    description.ResultMask = ua.BrowseResultMask.All
    return description


def _labels(read: Mapping[str, Any]) -> tuple[str, ...]:
    """The words of a state's numbers."""

    def text(name: str) -> Any:
        served = read.get(name)
        return None if served is None or served.Value is None else served.Value.Value

    words = text("EnumStrings")
    if isinstance(words, list):
        return tuple(str(getattr(word, "Text", word) or "") for word in words)
    both = (text("FalseState"), text("TrueState"))
    if all(word is not None for word in both):
        return tuple(str(getattr(word, "Text", word) or "") for word in both)
    return ()


def _unit(read: Mapping[str, Any]) -> str:
    served = read.get("EngineeringUnits")
    information = None if served is None or served.Value is None else served.Value.Value
    return str(getattr(getattr(information, "DisplayName", None), "Text", None) or "")


def _range(read: Mapping[str, Any]) -> tuple[float, float] | None:
    served = read.get("EURange")
    told = None if served is None or served.Value is None else served.Value.Value
    return (float(told.Low), float(told.High)) if isinstance(told, ua.Range) and told.Low < told.High else None


def _type_name(served: Any) -> str:
    id_ = None if served is None or served.Value is None else served.Value.Value
    if not isinstance(id_, ua.NodeId):
        return ""
    if id_.NamespaceIndex == 0 and isinstance(id_.Identifier, int):
        return str(ua.ObjectIdNames.get(id_.Identifier, id_.to_string()))
    return str(id_.to_string())


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "source"
