"""The driver against a server that was built from the official DI and ADI information models."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from asyncua import Server, ua
from asyncua.common.node import Node
from edge_peers import MemorySink

from baro.edge.drivers.opcua import OpcUaDriver, OpcUaSettings
from baro.edge.gateway import Gateway, GatewaySettings

ADI = "http://opcfoundation.org/UA/ADI/"
DI = "http://opcfoundation.org/UA/DI/"


pytestmark = pytest.mark.peer


async def server_of(folder: Path, url: str) -> tuple[Server, dict[str, Node]]:
    """A spectrometer with one channel and one stream. The library does not instantiate what a type inherits
    below a child of the same name, so the stream's parameters are added by hand, in their own types."""
    server = Server()
    await server.init()
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for name in ("Opc.Ua.Di.NodeSet2.xml", "Opc.Ua.Adi.NodeSet2.xml"):
        await server.import_xml(folder / name)
    adi, di = await server.get_namespace_index(ADI), await server.get_namespace_index(DI)
    own = await server.register_namespace("urn:test:spectrometer")

    async def add(parent: Node, name: str, kind: int) -> Node:
        return await parent.add_object(
            ua.NodeId(0, own), ua.QualifiedName(name, own), ua.NodeId(kind, adi), instantiate_optional=False
        )

    device = await add(server.get_node(ua.NodeId(5001, di)), "FT-NIR", 1011)
    channel = await add(device, "Probe", 1003)
    stream = await add(channel, "Blend", 1030)
    parameters = await stream.add_object(ua.NodeId(0, own), ua.QualifiedName("ParameterSet", di))
    wavenumbers = [10000.0, 9000.0, 8000.0, 7000.0]
    nodes = {}
    for name, value, kind in (
        ("ScaledData", ua.Variant([0.0] * 4, ua.VariantType.Float), ua.ObjectIds.YArrayItemType),
        ("AcquisitionCounter", ua.Variant(0, ua.VariantType.UInt32), ua.ObjectIds.AnalogItemType),
        ("LotId", ua.Variant("", ua.VariantType.String), ua.ObjectIds.DataItemType),
        ("SampleId", ua.Variant("", ua.VariantType.String), ua.ObjectIds.DataItemType),
    ):
        node = await parameters.add_variable(ua.NodeId(0, own), ua.QualifiedName(name, adi), value)
        plain, has_type = server.get_node(ua.ObjectIds.BaseDataVariableType), ua.ObjectIds.HasTypeDefinition
        await node.delete_reference(plain, has_type, forward=True, bidirectional=False)
        await node.add_reference(server.get_node(kind), has_type, forward=True, bidirectional=False)
        nodes[name] = node
    axis = ua.AxisInformation(
        EngineeringUnits=ua.EUInformation(DisplayName=ua.LocalizedText("1/cm")),
        EURange=ua.Range(10000.0, 7000.0),
        AxisSteps=wavenumbers,
    )
    await nodes["ScaledData"].add_property(ua.NodeId(0, own), ua.QualifiedName("XAxisDefinition", 0), axis)
    return server, nodes


async def test_a_spectrometer_of_the_official_model_is_found_and_read(conformance: Path, tmp_path: Path) -> None:
    folder = conformance / "opcua-nodesets"
    if not (folder / "Opc.Ua.Adi.NodeSet2.xml").exists():
        pytest.skip("the official nodesets are absent")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/"
    server, nodes = await server_of(folder, url)
    sink = MemorySink()
    async with server:
        driver = OpcUaDriver(OpcUaSettings(url=url, security="None", publishing_ms=20))
        gateway = Gateway(GatewaySettings(tmp_path / "spool.db", flush_ms=10), sink, driver)
        running = asyncio.create_task(gateway.run())
        while not gateway.health.linked.get("ft-nir"):
            await asyncio.sleep(0.02)
        for seq in (1, 2, 3):
            time = datetime.now(UTC)
            # lot and sample are stamped only where they change, and come before the spectrum
            for name, value in (
                ("LotId", ua.Variant("L1", ua.VariantType.String)),
                ("SampleId", ua.Variant(f"S{seq}", ua.VariantType.String)),
                ("ScaledData", ua.Variant([seq, 2.0, 3.0, 4.0], ua.VariantType.Float)),
                ("AcquisitionCounter", ua.Variant(seq, ua.VariantType.UInt32)),
            ):
                if name != "LotId" or seq == 1:
                    await nodes[name].write_value(ua.DataValue(value, SourceTimestamp=time))
            await asyncio.sleep(0.05)
        while 3 not in sink.seqs("ft-nir"):
            await asyncio.sleep(0.02)
        gateway.stop()
        await running
    (axis,) = [axis for axis in sink.axes.values() if len(axis) == 4]
    assert (axis.values, axis.unit) == ((10000.0, 9000.0, 8000.0, 7000.0), "cm-1")
    stored = [block for block in sink.spectra() if block.lot == "L1"]
    assert [sample for block in stored for sample in block.batch.column("sample").to_pylist()] == ["S1", "S2", "S3"]
    np.testing.assert_array_equal(np.vstack([block.spectra() for block in stored])[:, 0], [1, 2, 3])
