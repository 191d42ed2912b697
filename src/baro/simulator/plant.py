"""The address space of the simulated plant: a near-infrared analyser and the tablet press it watches.

The analyser follows OPC 10020 (ADI) on OPC 10000-100 (DI). Their types are made here by hand, as far as
the instances need them, with the NodeIds and BrowseNames of the specifications, so that any client which
knows ADI finds its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from asyncua import Server, ua
from asyncua.common.node import Node

DI = "http://opcfoundation.org/UA/DI/"
ADI = "http://opcfoundation.org/UA/ADI/"
PLANT = "urn:baro:simulator"
ANALYSER, PRESS = "NIR-1", "Press-1"
WAITING = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)

# BrowseName -> (NodeId, supertype), in the order in which they can be made; a type of namespace 0 is a number
DI_TYPES: dict[str, tuple[int, str | int]] = {
    "TopologyElementType": (1001, ua.ObjectIds.BaseObjectType),
    "ComponentType": (15063, "TopologyElementType"),
    "DeviceType": (1002, "ComponentType"),
    "FunctionalGroupType": (1005, ua.ObjectIds.FolderType),
}
ADI_TYPES: dict[str, tuple[int, str | int]] = {
    "AnalyserDeviceType": (1001, "DeviceType"),
    "SpectrometerDeviceType": (1011, "AnalyserDeviceType"),
    "AnalyserChannelType": (1003, "TopologyElementType"),
    "StreamType": (1010, "TopologyElementType"),
    "SpectrometerDeviceStreamType": (1030, "StreamType"),
}
ABSTRACT = {"TopologyElementType", "ComponentType", "DeviceType", "AnalyserDeviceType"}
DEVICE_SET = 5001
# unit codes of UNECE Recommendation 20, as OPC UA's EUInformation numbers them
UNIT_CODES = {"nm": 4403252, "kN": 4338263, "mm": 5066068, "N": 5129559, "tablets/h": -1, "AU": -1}
TAG_RANGES = {
    "CompressionForce": (0.0, 40.0),
    "PressSpeed": (0.0, 120_000.0),
    "FillDepth": (0.0, 20.0),
    "EjectionForce": (0.0, 1000.0),
}


class Plant:
    """The server. `async with Plant(url, axis, tags) as plant: await plant.serve_spectrum(...)`.

    axis: wavelengths in nm, (p,). tags: name of each analog variable of the press -> its unit.
    lot: the lot number that is shown before anything is served.
    """

    def __init__(
        self, url: str, axis: Sequence[float], tags: Mapping[str, str], lot: str = "", steps: bool = True
    ) -> None:
        self.url = url
        self.axis = [float(value) for value in axis]
        self.tag_units = dict(tags)
        self.lot = lot
        self.steps = steps
        self._server = Server()
        self._types: dict[str, ua.NodeId] = {}
        self._nodes: dict[str, ua.NodeId] = {}
        self._tags: dict[str, ua.NodeId] = {}

    async def __aenter__(self) -> Self:
        server = self._server
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name("Baro simulated plant")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        self._di = await server.register_namespace(DI)
        self._adi = await server.register_namespace(ADI)
        self._ns = await server.register_namespace(PLANT)
        await self._make_types()
        devices = await server.nodes.objects.add_object(
            ua.NodeId(DEVICE_SET, self._di), ua.QualifiedName("DeviceSet", self._di)
        )
        await self._make_analyser(devices)
        await self._make_press()
        await server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.stop()

    async def until_subscribed(self) -> None:
        """Return when a client has subscribed and its number of monitored items no longer grows."""
        before, now = 0, 0
        while now == 0 or now != before:
            await asyncio.sleep(0.5)
            subscriptions = self._server.iserver.subscription_service.subscriptions.values()
            before, now = now, sum(len(s.monitored_item_srv._monitored_items) for s in subscriptions)

    async def serve_spectrum(
        self,
        seq: int,
        time: datetime,
        lot: str,
        sample: str,
        values: list[float],
        status: int = ua.StatusCodes.Good,
    ) -> None:
        """One acquisition: everything that belongs to it bears the same source timestamp."""
        await self._write("LotId", ua.Variant(lot, ua.VariantType.String), time)
        await self._write("BatchId", ua.Variant(lot, ua.VariantType.String), time)
        await self._write("SampleId", ua.Variant(sample, ua.VariantType.String), time)
        await self._write("AcquisitionEndTime", ua.Variant(time, ua.VariantType.DateTime), time)
        await self._write("AcquisitionCounter", ua.Variant(seq, ua.VariantType.UInt32), time)
        await self._write("ScaledData", ua.Variant(values, ua.VariantType.Float), time, status)

    async def serve_lot(self, time: datetime, lot: str, running: bool) -> None:
        """The press begins or ends a lot; between lots it is idle and the lot number empty."""
        for name in ("LotId", "BatchId", "PressLotId"):
            await self._write(name, ua.Variant(lot, ua.VariantType.String), time)
        await self._write("State", ua.Variant("running" if running else "idle", ua.VariantType.String), time)

    async def serve_tags(self, time: datetime, values: Mapping[str, float]) -> None:
        """One sample of each of the given tags."""
        for name, value in values.items():
            variant = ua.Variant(float(value), ua.VariantType.Double)
            await self._server.write_attribute_value(self._tags[name], ua.DataValue(variant, SourceTimestamp=time))

    async def _write(self, name: str, value: ua.Variant, time: datetime, status: int = 0) -> None:
        data = ua.DataValue(value, StatusCode=ua.StatusCode(status), SourceTimestamp=time)
        await self._server.write_attribute_value(self._nodes[name], data)

    # --- the address space

    async def _make_types(self) -> None:
        for index, types in ((self._di, DI_TYPES), (self._adi, ADI_TYPES)):
            for name, (number, parent) in types.items():
                over = self._types[parent] if isinstance(parent, str) else ua.NodeId(parent)
                node = await self._server.get_node(over).add_object_type(
                    ua.NodeId(number, index), ua.QualifiedName(name, index)
                )
                self._types[name] = node.nodeid
                if name in ABSTRACT:
                    abstract = ua.DataValue(ua.Variant(True, ua.VariantType.Boolean))
                    await node.write_attribute(ua.AttributeIds.IsAbstract, abstract)

    async def _make_analyser(self, devices: Node) -> None:
        device = await self._object(devices, ANALYSER, self._ns, "SpectrometerDeviceType")
        for name, text in (
            ("Manufacturer", "Baro"),
            ("Model", "Simulated NIR transmittance spectrometer"),
            ("SerialNumber", "SIM-0001"),
            ("HardwareRevision", "1"),
            ("SoftwareRevision", "1"),
            ("DeviceRevision", "1"),
            ("DeviceManual", ""),
        ):
            value: str | ua.LocalizedText = text
            if name in ("Manufacturer", "Model"):
                value = ua.LocalizedText(text)
            await device.add_property(ua.NodeId(0, self._ns), ua.QualifiedName(name, self._di), value)
        await device.add_property(
            ua.NodeId(0, self._ns), ua.QualifiedName("RevisionCounter", self._di), 1, ua.VariantType.Int32
        )
        channel = await self._object(device, "Channel1", self._ns, "AnalyserChannelType")
        stream = await self._object(channel, "Stream1", self._ns, "SpectrometerDeviceStreamType")
        parameters = await self._object(stream, "ParameterSet", self._di)
        data = await self._object(stream, "AcquisitionData", self._adi, "FunctionalGroupType")
        context = await self._object(stream, "Context", self._adi, "FunctionalGroupType")
        empty = ua.Variant("", ua.VariantType.String)
        lot = ua.Variant(self.lot, ua.VariantType.String)
        item = ua.ObjectIds.DataItemType
        for name, value, vtype in (
            ("ScaledData", ua.Variant([], ua.VariantType.Float, is_array=True), ua.ObjectIds.YArrayItemType),
            ("AcquisitionCounter", ua.Variant(0, ua.VariantType.UInt32), ua.ObjectIds.AnalogItemType),
            ("AcquisitionEndTime", ua.Variant(None, ua.VariantType.DateTime), item),
        ):
            node = await self._variable(parameters, name, self._adi, value, vtype)
            self._nodes[name] = node.nodeid
            await data.add_reference(node, ua.ObjectIds.Organizes)
            await self._server.write_attribute_value(node.nodeid, ua.DataValue(StatusCode=WAITING))
        for name, value in (("LotId", lot), ("BatchId", lot), ("SampleId", empty)):
            node = await self._variable(parameters, name, self._adi, value, item)
            self._nodes[name] = node.nodeid
            await context.add_reference(node, ua.ObjectIds.Organizes)
        await self._describe_spectrum()

    async def _describe_spectrum(self) -> None:
        counter = self._server.get_node(self._nodes["AcquisitionCounter"])
        await self._property(counter, "EURange", ua.Range(0.0, float(2**32 - 1)))
        spectrum = self._server.get_node(self._nodes["ScaledData"])
        await spectrum.write_attribute(ua.AttributeIds.ValueRank, ua.DataValue(ua.Variant(1, ua.VariantType.Int32)))
        axis = ua.AxisInformation(
            EngineeringUnits=_unit("nm"),
            EURange=ua.Range(self.axis[0], self.axis[-1]),
            Title=ua.LocalizedText("Wavelength"),
            AxisScaleType=ua.AxisScaleEnumeration.Linear,
            AxisSteps=self.axis if self.steps else [],
        )
        await self._property(spectrum, "XAxisDefinition", axis)
        await self._property(spectrum, "Title", ua.LocalizedText("Absorbance, log(1/T)"))
        await self._property(spectrum, "EngineeringUnits", _unit("AU"))
        await self._property(spectrum, "EURange", ua.Range(0.0, 10.0))
        await self._property(spectrum, "AxisScaleType", ua.AxisScaleEnumeration.Linear)

    async def _make_press(self) -> None:
        press = await self._object(self._server.nodes.objects, PRESS, self._ns)
        for name, unit in self.tag_units.items():
            node = await self._variable(
                press, name, self._ns, ua.Variant(0.0, ua.VariantType.Double), ua.ObjectIds.AnalogItemType
            )
            await self._property(node, "EngineeringUnits", _unit(unit))
            await self._property(node, "EURange", ua.Range(*TAG_RANGES.get(name, (0.0, 1.0))))
            await self._server.write_attribute_value(node.nodeid, ua.DataValue(StatusCode=WAITING))
            self._tags[name] = node.nodeid
        for key, name, text in (("PressLotId", "LotId", self.lot), ("State", "State", "idle")):
            variant = ua.Variant(text, ua.VariantType.String)
            node = await self._variable(press, name, self._ns, variant, ua.ObjectIds.BaseDataVariableType)
            self._nodes[key] = node.nodeid

    async def _object(self, parent: Node, name: str, index: int, type_name: str = "") -> Node:
        kind = self._types[type_name] if type_name else ua.NodeId(ua.ObjectIds.BaseObjectType)
        return await parent.add_object(ua.NodeId(0, self._ns), ua.QualifiedName(name, index), objecttype=kind)

    async def _variable(self, parent: Node, name: str, index: int, value: ua.Variant, kind: int) -> Node:
        node = await parent.add_variable(ua.NodeId(0, self._ns), ua.QualifiedName(name, index), value)
        if kind != ua.ObjectIds.BaseDataVariableType:
            has_type = ua.ObjectIds.HasTypeDefinition
            plain = self._server.get_node(ua.ObjectIds.BaseDataVariableType)
            await node.delete_reference(plain, has_type, forward=True, bidirectional=False)
            await node.add_reference(self._server.get_node(kind), has_type, forward=True, bidirectional=False)
        return node

    async def _property(self, node: Node, name: str, value: object) -> None:
        await node.add_property(ua.NodeId(0, self._ns), ua.QualifiedName(name, 0), value)


def _unit(name: str) -> ua.EUInformation:
    return ua.EUInformation(
        NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact",
        UnitId=UNIT_CODES.get(name, -1),
        DisplayName=ua.LocalizedText(name),
        Description=ua.LocalizedText(name),
    )
