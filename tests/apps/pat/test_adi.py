"""The models in force over OPC UA: found by their type and read by a client of another maker, changed by nobody."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from asyncua import Client, ua
from django.db import OperationalError

from baro.apps.ledger.services import reading
from baro.apps.pat.adi import types
from baro.apps.pat.adi.serving import Watch, serve
from baro.apps.pat.adi.space import ModelServer, Newest, Published
from baro.apps.pat.models import CalibrationModel, Deployment, PredictionBlock
from baro.apps.pat.predictions import from_bytes
from baro.apps.pat.services import end_deployment
from baro.science.chemometrics.model import Limits
from tests.node import NodeProgram
from tests.plant import Plant
from tests.ports import free_port

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MODEL = Published(
    instrument="nir-1",
    source="press-1/nir",
    code="assay",
    version=3,
    digest="ab" * 32,
    axis_digest="cd" * 32,
    name="Assay of tablets",
    quantity="assay",
    unit="mg",
    created_at=AT,
    approved_by="Kim",
    latent_variables=5,
    limits=Limits(10.0, 15.0, 0.5, 0.9),
    low=150.0,
    high=250.0,
    axis=(600.0, 602.0, 604.0),
)
GOOD = Newest(AT, 7, "L1", "T7", 199.5, 4.0, 0.2, True, "ef" * 32)


def url() -> str:
    return f"opc.tcp://127.0.0.1:{free_port()}/baro-models/"


def client(address: str, home: Path) -> NodeProgram:
    return NodeProgram("adi_client.js", json.dumps({"url": address}), home=home)


async def asked(program: NodeProgram) -> dict[str, Any]:
    """The models that a client finds, by their path."""
    program.tell(do="models")
    found = await program.heard("models")
    return {one["path"]: one for one in found["models"]}


def test_types_bear_the_official_identifiers(conformance: Path) -> None:
    path = conformance / "opcua-nodesets" / "Opc.Ua.Adi.NodeSet2.xml"
    if not path.exists():
        pytest.skip("the official nodesets are absent")
    nodes = [node for node in ElementTree.parse(path).getroot() if node.get("NodeId")]
    official = {node.get("NodeId", "").removeprefix("ns=1;i="): node for node in nodes}

    def name(number: int) -> str:
        return official[str(number)].get("BrowseName", "").removeprefix("1:")

    for known, (number, data_type) in types.VARIABLE_TYPES.items():
        assert name(number) == known
        assert {"ByteString": 15, None: 24}[official[str(number)].get("DataType")] == data_type
        children = [node for node in nodes if node.get("ParentNodeId") == f"ns=1;i={number}"]
        required = {
            node.get("BrowseName", "").removeprefix("1:")
            for node in children
            if any(one.text == "i=78" for one in node.iter(f"{UA}Reference"))
        }
        assert set(types.PROPERTIES[known]) == required
    for known, (number, inverse) in types.REFERENCE_TYPES.items():
        assert name(number) == known
        assert [one.text for one in official[str(number)].iter(f"{UA}InverseName")] == [inverse]
    assert name(types.ALARM_STATE) == "AlarmStateEnumeration"
    states = {field.get("Name"): int(field.get("Value", "")) for field in official["3009"].iter(f"{UA}Field")}
    assert states == types.ALARM_STATES
    di = ElementTree.parse(path.with_name("Opc.Ua.Di.NodeSet2.xml")).getroot()
    (group,) = [one for one in di if one.get("NodeId") == f"ns=1;i={types.FUNCTIONAL_GROUP}"]
    assert group.get("BrowseName") == "1:FunctionalGroupType"


@pytest.mark.peer
async def test_a_client_of_another_maker_finds_and_reads_a_model(tmp_path: Path) -> None:
    address = url()
    async with ModelServer(address) as server:
        await server.publish([MODEL])
        with client(address, tmp_path) as program:
            await program.heard("ready")
            (path,) = found = await asked(program)
            assert path == "/Objects/Models/nir-1/ChemometricModelSettings/assay"
            model = found[path]
            properties = model["properties"]
            assert properties["Name"]["value"] == "Assay of tablets"
            assert properties["CreationDate"]["value"] == "2026-03-01T09:30:00.000Z"
            assert "5 latent variables: assay in mg from 3 channels" in properties["ModelDescription"]["value"]
            assert properties["Digest"]["value"] == MODEL.digest
            assert (properties["Version"]["value"], properties["ApprovedBy"]["value"]) == (3, "Kim")
            axis = model["inputs"]["Spectrum"]["properties"]["XAxisDefinition"]["value"]
            assert axis == {"steps": [600.0, 602.0, 604.0], "unit": "nm"}
            assert set(model["outputs"]) == {"Value", "T2", "Q"}
            for output in model["outputs"].values():
                assert (output["type"], output["status"]) == (types.MVA_OUTPUT, "BadWaitingForInitialData")
            assert model["outputs"]["T2"]["properties"]["AlarmLimits"]["value"] == [0.0, 15.0]
            assert model["outputs"]["Value"]["properties"]["EngineeringUnits"]["value"] == "mg"

            program.tell(do="follow", id=model["outputs"]["Value"]["id"])
            await program.heard("changed")
            await server.show(MODEL.key, GOOD)
            assert await program.heard("changed") == {"event": "changed", "value": 199.5, "status": "Good"}
            (model,) = (await asked(program)).values()
            told = {name: one["value"] for name, one in model["components"].items()}
            assert told["SampleId"] == "T7"
            assert (told["LotId"], told["SpectrumDigest"], told["AcquisitionCounter"]) == ("L1", "ef" * 32, 7)
            assert model["outputs"]["Q"]["time"] == "2026-03-01T09:30:00.000Z"

            for id_ in (model["id"], model["outputs"]["Value"]["id"]):
                program.tell(do="write", id=id_, value=200.0)
                assert not (await program.heard("written"))["good"]
            (model,) = (await asked(program)).values()
            assert model["outputs"]["Value"]["value"] == 199.5
            program.tell(do="end")
            await program.heard("ended")


STATES: tuple[tuple[dict[str, Any], int, tuple[int, ...]], ...] = (
    ({}, ua.StatusCodes.Good, (0, 0, 0)),
    ({"value": 260.0}, ua.StatusCodes.Good, (4, 0, 0)),
    ({"t2": 12.0}, ua.StatusCodes.Good, (0, 2, 0)),
    ({"t2": 16.0, "usable": False}, ua.StatusCodes.UncertainSubNormal, (32, 16, 0)),
    ({"q": 1.0, "usable": False}, ua.StatusCodes.UncertainSubNormal, (32, 0, 16)),
    ({"value": None, "t2": None, "q": None, "usable": False}, ua.StatusCodes.BadNoData, (32, 32, 32)),
)


async def test_limits_and_usability_are_told() -> None:
    address = url()
    async with ModelServer(address) as server, Client(address) as reader:
        await server.publish([MODEL])
        index = await reader.get_namespace_index("urn:baro:models")

        def node(name: str) -> Any:
            return reader.get_node(ua.NodeId(f"nir-1/assay/{name}", index))

        async def status() -> int:
            return (await node("Value").read_data_value(raise_on_bad_status=False)).StatusCode.value

        for changed, expected, states in STATES:
            await server.show(MODEL.key, dataclasses.replace(GOOD, **changed))
            assert await status() == expected
            assert tuple([await node(f"{name}/AlarmState").read_value() for name in ("Value", "T2", "Q")]) == states
            await server.doubt()
            # what is bad or uncertain stays so
            assert await status() == (expected or ua.StatusCodes.UncertainLastUsableValue)


async def test_what_is_no_longer_in_force_is_gone_and_nobody_else_can_change_anything() -> None:
    address = url()
    other = dataclasses.replace(MODEL, instrument="nir-2", code="water")
    async with ModelServer(address) as server, Client(address) as reader:
        await server.publish([MODEL, other])
        await server.show(MODEL.key, GOOD)
        index = await reader.get_namespace_index("urn:baro:models")
        root = reader.get_node(ua.NodeId("Models", index))
        assert {(await one.read_browse_name()).Name for one in await root.get_children()} == {"nir-1", "nir-2"}
        value = reader.get_node(ua.NodeId("nir-1/assay/Value", index))
        await server.publish([MODEL])
        assert await value.read_value() == 199.5  # untouched
        assert [(await one.read_browse_name()).Name for one in await root.get_children()] == ["nir-1"]
        await server.publish([dataclasses.replace(MODEL, version=4)])
        with pytest.raises(ua.UaStatusCodeError):
            await value.read_value()  # the next version waits for its first prediction
        assert await reader.get_node(ua.NodeId("nir-1/assay/Version", index)).read_value() == 4
        for change in (
            lambda: value.write_value(1.0),
            lambda: root.add_folder(ua.NodeId("x", index), ua.QualifiedName("x", index)),
            lambda: reader.delete_nodes([root]),
        ):
            with pytest.raises(ua.UaError):
                await change()


def deployed(plant: Plant) -> tuple[Deployment, CalibrationModel]:
    with reading(plant.company):
        found = Deployment.objects.select_related("model").get(state="active", role="champion")
        return found, found.model


def test_what_is_in_force_is_read_from_the_records(plant: Plant) -> None:
    plant.finished("A")
    deployment, model = deployed(plant)
    watch = Watch(plant.company)
    (published,), news = watch.look()
    assert (published.instrument, published.digest, published.unit) == ("nir-1", model.digest, "mg")
    assert len(published.axis) == 650
    newest = news[published.key]
    with reading(plant.company):
        blocks = PredictionBlock.objects.filter(model_digest=model.digest).order_by("-epoch", "-first_seq")
        table = from_bytes(bytes(blocks[0].body))
    assert (newest.seq, newest.value, newest.sample) == (table.seq[-1], table.value[-1], table.sample[-1])
    assert newest.usable == bool(table.usable[-1])
    assert watch.look()[1] == {}  # told once
    watch.forget()
    assert watch.look()[1] == news
    end_deployment(plant.user("quality1"), deployment.id, "end of the test")
    assert watch.look() == ([], {})


def test_the_command_serves_what_is_in_force(plant: Plant, tmp_path: Path) -> None:
    port = free_port()
    address = f"opc.tcp://127.0.0.1:{port}/baro-models/"

    async def served() -> str:
        async with Client(address) as reader:
            index = await reader.get_namespace_index("urn:baro:models")
            found: str = await reader.get_node(ua.NodeId("nir-1/tablet-assay/Digest", index)).read_value()
            return found

    with subprocess.Popen(
        [sys.executable, "-c", "from baro.cli import main; main()", "opcua", "serve-models", "--port", str(port)],
        env=os.environ | {"BARO_COMPANY": plant.code, "BARO_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"{address}: nir-1/tablet-assay v1\n"
            assert asyncio.run(served()) == deployed(plant)[1].digest
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()


async def test_the_service_goes_on_when_the_records_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Callable[[], Any]] = [lambda: ([MODEL], {MODEL.key: GOOD})]

    def look(self: Watch) -> Any:
        return answers[-1]()

    def broken() -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(Watch, "look", look)
    address, stop, ready = url(), asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(serve(None, address, 0.02, stop, lambda models: ready.set()))  # type: ignore[arg-type]
    await asyncio.wait_for(ready.wait(), 10)

    async def until(reader: Client, status: int) -> None:
        index = await reader.get_namespace_index("urn:baro:models")
        node = reader.get_node(ua.NodeId("nir-1/assay/Value", index))
        async with asyncio.timeout(10):
            while (await node.read_data_value(raise_on_bad_status=False)).StatusCode.value != status:
                await asyncio.sleep(0.02)

    async with Client(address) as reader:
        await until(reader, ua.StatusCodes.Good)
        answers.append(broken)
        await until(reader, ua.StatusCodes.UncertainLastUsableValue)
        answers.append(answers[0])
        await until(reader, ua.StatusCodes.Good)
    stop.set()
    await running
