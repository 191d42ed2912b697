"""The MQTT driver between Debian's mosquitto and the edge node of npm's sparkplug-client."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from broker import PASSWORDS, Broker
from certificates import Authority
from collecting import Collected, collecting

from baro.config import config
from baro.edge import secrets
from baro.edge.blocks import Axis
from baro.edge.driver import Choice, LinkState, LotReport, Refusal, Sample, SamplesLost, driver_of, settings_of
from baro.edge.drivers.sparkplug import SparkplugDriver, SparkplugSettings
from baro.edge.quality import BAD, BAD_NO_DATA, GOOD, UNCERTAIN_LAST_USABLE_VALUE
from tests.node import NodeProgram
from tests.ports import free_port

pytestmark = pytest.mark.peer
DEVICE = "Plant/Press/NIR"


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setenv("BARO_HOME", str(tmp_path / "home"))
    config.cache_clear()
    secrets.put("mqtt-password", PASSWORDS["baro"].encode())
    with Broker(tmp_path / "mqtt", free_port()) as found:
        yield found
    config.cache_clear()


def settings(broker: Broker, **more: Any) -> SparkplugSettings:
    values: dict[str, Any] = {
        "url": f"mqtt://127.0.0.1:{broker.port}",
        "user": "baro",
        "password": "mqtt-password",
        "sources": {"Plant/Press": "press-1/node", DEVICE: "press-1"},
        "reorder_s": 0.5,
        "rebirth_s": 0.5,
        "retry_most_s": 0.5,
        "keepalive_s": 2,
    }
    return settings_of("sparkplug", values | more)


def edge(broker: Broker) -> NodeProgram:
    return NodeProgram("sparkplug.js", f"tcp://127.0.0.1:{broker.port}", "Plant", "Press", "edge", PASSWORDS["edge"])


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


async def came_online(broker: Broker) -> bool:
    async with asyncio.timeout(40):
        while not await broker.online():
            await asyncio.sleep(0.05)
    return True


NOW = 1_790_000_000_000
TABLE = {
    "numOfColumns": 2,
    "types": ["Double", "Float"],
    "columns": ["nm", "AU"],
    "rows": [[1100.0, 0.5], [1102.0, 0.75], [1104.0, 1.0]],
}
BIRTH: dict[str, Any] = {
    "timestamp": NOW,
    "metrics": [
        {"name": "Temperature", "type": "Double", "value": 21.5, "timestamp": NOW},
        {"name": "Offset", "type": "Int8", "value": -5, "timestamp": NOW},
        {"name": "Lot", "type": "String", "value": "L-1", "timestamp": NOW},
        {"name": "Running", "type": "Boolean", "value": True, "timestamp": NOW},
        {"name": "Count", "type": "UInt32", "value": 1, "timestamp": NOW},
        {"name": "Scan", "type": "DataSet", "value": TABLE, "timestamp": NOW},
    ],
}
SPECTRUM = {
    "device": DEVICE,
    "metric": "Scan",
    "source": "press-1/nir",
    "x": "nm",
    "y": "AU",
    "number": "Count",
    "lot": "Lot",
}


async def test_birth_data_death_and_rebirth(broker: Broker) -> None:
    driver = SparkplugDriver(settings(broker, lots={"press-1": "Lot"}, spectra=[SPECTRUM]))
    async with collecting(driver) as found:
        assert await came_online(broker)
        with edge(broker) as node:
            await node.heard("birth")
            node.tell(do="device", device="NIR", payload=BIRTH)
            sample = await found.value("Temperature", 21.5)
            assert sample[:6] == ("press-1", at(NOW), GOOD, "L-1", "Temperature", 21.5)
            assert not sample.late
            assert (await found.value("Offset", -5.0)).source == "press-1"
            assert (await found.value("Running", 1.0)).lot == "L-1"
            assert (await found.value("uptime", 1.0)).source == "press-1/node"
            assert found.links("press-1") == [True]
            (spectrum,) = found.spectra()
            assert spectrum[:6] == ("press-1/nir", 1, at(NOW), GOOD, "L-1", "")
            assert spectrum.values.tolist() == [0.5, 0.75, 1.0]
            axis = Axis((1100.0, 1102.0, 1104.0), "nm")
            assert axis in found
            assert spectrum.axis == axis.digest
            assert not found.samples("Scan")

            later = [
                {"name": "Temperature", "type": "Double", "value": 22.0, "timestamp": NOW + 10},
                {"name": "Lot", "type": "String", "value": "L-2", "timestamp": NOW + 5},
            ]
            node.tell(do="data", device="NIR", payload={"timestamp": NOW + 10, "metrics": later})
            assert (await found.value("Temperature", 22.0)).lot == "L-2"
            assert LotReport("press-1", at(NOW + 5), "L-2") in found
            past = {
                "name": "Temperature",
                "type": "Double",
                "value": 19.0,
                "timestamp": NOW - 9000,
                "isHistorical": True,
            }
            node.tell(do="data", device="NIR", payload={"timestamp": NOW + 20, "metrics": [past]})
            late = await found.value("Temperature", 19.0)
            assert late.late
            assert late.time == at(NOW - 9000)
            null = {"name": "Temperature", "type": "Double", "value": None, "isNull": True, "timestamp": NOW + 30}
            node.tell(do="data", device="NIR", payload={"timestamp": NOW + 30, "metrics": [null]})
            await found.until(lambda: found.samples("Temperature")[-1].quality == BAD_NO_DATA)

            node.kill()  # the broker publishes the will
        await found.until(lambda: found.links("press-1") == [True, False])
        stale = [one for one in found.samples("Offset") if one.quality == UNCERTAIN_LAST_USABLE_VALUE]
        assert [one.value for one in stale] == [-5.0]
        with edge(broker) as node:
            await node.heard("birth")
            node.tell(do="device", device="NIR", payload=BIRTH)
            await found.until(lambda: found.links("press-1") == [True, False, True])
            assert len(found.spectra()) == 1, "the spectrum of the birth is the one that is known"
    assert not await broker.online()


async def test_a_node_that_was_there_before_is_asked_for_its_birth(broker: Broker) -> None:
    with edge(broker) as node:
        await node.heard("birth")
        node.tell(do="device", device="NIR", payload=BIRTH)
        async with collecting(SparkplugDriver(settings(broker))) as found:
            await node.heard("rebirth")
            await found.value("Temperature", 21.5)
            # the peer counts on, but its message is lost on the way: another client takes its number
            before = len(found.links("press-1"))
            node.tell(do="data", device="Other", payload={"timestamp": NOW, "metrics": []})
            await node.heard("rebirth")
            await found.until(lambda: any(isinstance(one, SamplesLost) for one in found))
            await found.until(lambda: len(found.links("press-1")) > before)


async def test_a_broker_that_restarts_is_a_gap(broker: Broker) -> None:
    async with collecting(SparkplugDriver(settings(broker, sources={DEVICE: "press-1"}))) as found:
        with edge(broker) as node:
            await node.heard("birth")
            node.tell(do="device", device="NIR", payload=BIRTH)
            await found.value("Temperature", 21.5)
            broker.stop()
            await found.until(lambda: found.links("press-1") == [True, False])
            assert found.samples("Temperature")[-1].quality == UNCERTAIN_LAST_USABLE_VALUE
            broker.start()
            await found.until(lambda: found.links("press-1") == [True, False, True])
            assert found.samples("Temperature")[-1].quality == GOOD


async def test_a_wrong_password_is_told_once_and_tried_again(broker: Broker) -> None:
    secrets.put("mqtt-password", b"wrong")
    async with collecting(SparkplugDriver(settings(broker))) as found:
        await found.until(lambda: found.links("press-1") == [False])
        assert "ot authori" in next(one.detail for one in found if isinstance(one, LinkState))
        secrets.put("mqtt-password", PASSWORDS["baro"].encode())
        assert await came_online(broker)
        assert found.links("press-1") == [False]


async def test_garbage_from_the_broker_is_kept_and_kills_nothing(broker: Broker) -> None:
    async with collecting(SparkplugDriver(settings(broker))) as found:
        assert await came_online(broker)
        await broker.publish("spBv1.0/Plant/NBIRTH/Press", "no payload")
        refusal = await found.until(lambda: [one for one in found if isinstance(one, Refusal)])
        assert refusal[0].payload == b"no payload"
        assert refusal[0].source == "press-1/node"
        await broker.publish("spBv1.0/Plant/XBIRTH/Press", "x")
        await broker.publish("spBv1.0/STATE/baro", '{"online":false,"timestamp":1}', "-r", "-q", "1")
        assert await came_online(broker)
        with edge(broker) as node:
            await node.heard("birth")
            await found.value("uptime", 1.0)


async def test_plain_topics(broker: Broker) -> None:
    topics = [
        {"topic": "room/1/t", "source": "room-1", "tag": "temperature", "scale": 0.1},
        {"topic": "room/1/json", "source": "room-1", "tag": "humidity", "path": "data.0.rh", "time": "ts"},
        {"topic": "room/1/json", "source": "room-1", "tag": "state", "path": "state", "kind": "text", "time": "ts"},
        {"topic": "room/1/array", "source": "room-1", "tag": "profile", "kind": "array"},
    ]
    await broker.publish("room/1/t", "200", "-r")
    driver = SparkplugDriver(settings(broker, version="3.1.1", host="", sources={}, topics=topics))
    async with collecting(driver) as found:
        kept = await found.value("temperature", 20.0)
        assert kept.quality == UNCERTAIN_LAST_USABLE_VALUE
        assert found.links("room-1") == [True]
        await broker.publish("room/1/t", "215")
        assert (await found.value("temperature", 21.5)).quality == GOOD
        await broker.publish("room/1/json", json.dumps({"ts": NOW, "data": [{"rh": 45.5}], "state": "가동"}))
        humidity = await found.value("humidity", 45.5)
        assert humidity.time == at(NOW)
        assert (await found.value("state", "가동")).quality == GOOD
        await broker.publish("room/1/array", "[1, 2.5]")
        profile = await found.until(lambda: found.samples("profile"))
        assert np.array_equal(profile[0].value, [1.0, 2.5])
        for wrong in ("warm", "1e999", ""):
            await broker.publish("room/1/t", wrong)
        await broker.publish("room/1/json", "{")
        await found.until(lambda: len([one for one in found.samples("temperature") if one.quality & BAD]) == 3)
        assert all(np.isnan(one.value) for one in found.samples("temperature")[-3:])
        await found.until(lambda: found.samples("humidity")[-1].quality & BAD)


async def test_what_speaks_is_offered_and_what_was_chosen_is_read(broker: Broker) -> None:
    with edge(broker) as node:
        await node.heard("birth")
        node.tell(do="device", device="NIR", payload=BIRTH)
        looking = asyncio.create_task(SparkplugDriver.explore(settings(broker, rebirth_s=0.2)))
        for value in range(5, 40):  # an edge node that says nothing is not heard
            await asyncio.sleep(0.1)
            uptime = [{"name": "uptime", "type": "Int32", "value": value, "timestamp": NOW + value}]
            node.tell(do="node", payload={"timestamp": NOW, "metrics": uptime})
        offer = await looking
        found = {one.address: one for one in offer.walk() if one.kind != "folder"}
        assert found[f"{DEVICE}#Temperature"].value == 21.5
        assert found[f"{DEVICE}#Lot"].value == "L-1"
        scan = found[f"{DEVICE}#Scan"]
        assert (scan.kind, scan.axis) == ("spectrum", Axis((1100.0, 1102.0, 1104.0), "nm"))
        assert "Plant/Press#uptime" in found
        assert not any("bdSeq" in address or "Rebirth" in address for address in found)
        chosen = [
            Choice(found[f"{DEVICE}#Temperature"].path, "press-1", "product_temperature"),
            Choice(found[f"{DEVICE}#Lot"].path, "press-1", "LotId"),
            Choice(scan.path, "press-1/nir"),
        ]
        made = SparkplugDriver.choose(settings(broker), chosen)
        assert settings_of("sparkplug", json.loads(made.model_dump_json())) == made
        async with collecting(SparkplugDriver(made)) as out:
            assert (await out.value("product_temperature", 21.5)).lot == "L-1"
            (spectrum,) = await out.until(out.spectra)
            assert spectrum.source == "press-1/nir"
            assert {one.tag for one in out if isinstance(one, Sample)} == {"product_temperature", "LotId"}


@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # paho's, when a handshake fails
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
async def test_both_sides_show_a_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BARO_HOME", str(tmp_path / "home"))
    config.cache_clear()
    ours, strangers = Authority(), Authority()
    certificate, key = ours.issue("broker")
    files = [tmp_path / name for name in ("authority.pem", "broker.pem", "broker.key")]
    for file, content in zip(files, (ours.pem(), certificate, key), strict=True):
        file.write_bytes(content)
    secrets.put("mqtt-password", PASSWORDS["baro"].encode())
    mine, my_key = ours.issue("baro")
    for name, content in (("ca", ours.pem()), ("strangers", strangers.pem()), ("mine", mine), ("my-key", my_key)):
        secrets.put(name, content)
    topic = {"topic": "$SYS/broker/version", "source": "broker", "tag": "version", "kind": "text"}
    with Broker(tmp_path / "mqtt", free_port(), (files[0], files[1], files[2])) as broker:

        def with_(**more: str) -> SparkplugDriver:
            url = f"mqtts://127.0.0.1:{broker.port}"
            return SparkplugDriver(settings(broker, url=url, host="", sources={}, topics=[topic], **more))

        async with collecting(with_(authority="ca", certificate="mine", key="my-key")) as found:
            await found.until(lambda: found.samples("version"))
            assert "mosquitto" in str(found.samples("version")[0].value)
        for wrong in ({"authority": "strangers", "certificate": "mine", "key": "my-key"}, {"authority": "ca"}, {}):
            async with collecting(with_(**wrong)) as found:
                await found.until(lambda: found.links("broker") == [False])
                assert not found.samples("version")
    gc.collect()  # here, so that the warning is not another test's
    config.cache_clear()


@pytest.mark.sparkplug("message-flow-phid-sparkplug-clean-session-311", "message-flow-phid-sparkplug-clean-session-50")
@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_the_first_packet_asks_for_a_clean_session_and_leaves_a_will(version: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    driver = SparkplugDriver(SparkplugSettings(url=f"mqtt://127.0.0.1:{port}", version=version, keepalive_s=2))
    async with server, collecting(driver):
        packet = await asyncio.wait_for(heard.get(), 10)
    at_name = packet.index(b"MQTT")
    level, flags = packet[at_name + 4], packet[at_name + 5]
    assert level == (5 if version == "5" else 4)
    assert flags == 0b0010_1110, "a will, retained, of quality 1; a clean session; no name and no password"
    if version == "5":  # Session Expiry Interval, MQTT 5.0, 3.1.2.11.2: zero, which is also what its absence means
        properties = packet[at_name + 9 : at_name + 9 + packet[at_name + 8]]
        assert properties[:5] == b"\x11\0\0\0\0"
        assert b"\x27" in properties
    assert b"spBv1.0/STATE/baro" in packet
    assert b'"online":false' in packet


def test_it_is_found_by_its_addresses() -> None:
    assert driver_of("mqtt://broker:1883") == driver_of("mqtts://broker") == "sparkplug"
    assert isinstance(Collected(), list)
