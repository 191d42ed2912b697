"""The simulated plant: official identifiers, lots in order, resumable after any kill."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from asyncua import Client, ua

from baro.edge.blocks import Axis, Block, Event, EventKind, Gap, GapReason, Kind
from baro.edge.drivers.opcua import OpcUaDriver, OpcUaSettings
from baro.edge.gateway import Gateway, GatewaySettings
from baro.simulator.plant import ADI_TYPES, DEVICE_SET, DI_TYPES, Plant
from baro.simulator.run import Progress

UA = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
NIR = "press-1/nir"


class Store:
    """A sink that keeps what a test asks for."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, str]] = []
        self.gaps: dict[tuple[int, int], Gap] = {}
        self.events: list[Event] = []
        self.samples = 0

    def write_blocks(self, blocks: Sequence[tuple[Block, list[bytes], bytes]]) -> None:
        for block, _, _ in blocks:
            self._write_block(block)

    def _write_block(self, block: Block) -> None:
        if block.kind is Kind.SAMPLES:
            self.samples += block.count
            return
        seqs, names = block.batch.column("seq").to_pylist(), block.batch.column("sample").to_pylist()
        self.rows += [(seq, block.lot, name) for seq, name in zip(seqs, names, strict=True)]

    def write_axis(self, axis: Axis) -> None:
        pass

    def write_gap(self, gap: Gap) -> None:
        if gap.source == NIR:
            self.gaps[gap.epoch, gap.first_seq] = gap

    def write_event(self, event: Event) -> None:
        self.events.append(event)

    def last_seq(self, source: str) -> None:
        return None

    def said(self, kind: EventKind) -> list[str]:
        return [event.detail for event in self.events if event.kind is kind and event.source == NIR]


def endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/baro/"


PROCESS = """
import sys
from pathlib import Path
from baro.simulator.run import SimulatorSettings, run
from baro.simulator.tablets import demo_lots
url, folder = sys.argv[1], Path(sys.argv[2])
run(SimulatorSettings(url, folder / "state.json", demo_lots(30), 4.0, 6.0, 10.0, folder / "served.tsv"))
"""


@contextmanager
def simulator(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The simulator as its own process: 30 tablets a lot, 40 a second."""
    command = [sys.executable, "-c", PROCESS, url, str(folder)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def until(condition, seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def served(folder: Path) -> list[tuple[int, str, str]]:
    lines = (folder / "served.tsv").read_text().splitlines()
    return [(int(seq), lot, sample) for _, seq, lot, sample, _ in (line.split("\t") for line in lines)]


@pytest.mark.parametrize(
    ("name", "types"), [("Opc.Ua.Di.NodeSet2.xml", DI_TYPES), ("Opc.Ua.Adi.NodeSet2.xml", ADI_TYPES)]
)
def test_types_bear_the_official_identifiers(
    conformance: Path, name: str, types: dict[str, tuple[int, str | int]]
) -> None:
    path = conformance / "opcua-nodesets" / name
    if not path.exists():
        pytest.skip("the official nodesets are absent")
    official = {
        node.get("NodeId", "").removeprefix("ns=1;i="): node.get("BrowseName", "").removeprefix("1:")
        for node in ElementTree.parse(path).iter()
        if node.tag in (f"{UA}UAObjectType", f"{UA}UAObject")
    }
    assert {str(number): name for name, (number, _) in types.items()}.items() <= official.items()
    if types is DI_TYPES:
        assert official[str(DEVICE_SET)] == "DeviceSet"


async def test_the_analyser_shows_what_adi_asks_for() -> None:
    url = endpoint()
    async with Plant(url, [600.0, 602.0], {"FillDepth": "mm"}), Client(url) as client:
        di = await client.get_namespace_index("http://opcfoundation.org/UA/DI/")
        adi = await client.get_namespace_index("http://opcfoundation.org/UA/ADI/")
        own = await client.get_namespace_index("urn:baro:simulator")
        device = await client.nodes.objects.get_child([f"{di}:DeviceSet", f"{own}:NIR-1"])
        assert await device.read_type_definition() == ua.NodeId(1011, adi)
        for name in ("Manufacturer", "Model", "SerialNumber", "RevisionCounter"):
            assert await (await device.get_child(f"{di}:{name}")).read_value()
        stream = await device.get_child([f"{own}:Channel1", f"{own}:Stream1"])
        data = await stream.get_child([f"{di}:ParameterSet", f"{adi}:ScaledData"])
        assert await data.read_type_definition() == ua.NodeId(ua.ObjectIds.YArrayItemType)
        axis = await (await data.get_child("0:XAxisDefinition")).read_value()
        assert axis.AxisSteps == [600.0, 602.0]
        for path in ("AcquisitionData/AcquisitionCounter", "Context/LotId", "Context/SampleId"):
            group, name = path.split("/")
            assert await stream.get_child([f"{adi}:{group}", f"{adi}:{name}"])
        tag = await client.nodes.objects.get_child([f"{own}:Press-1", f"{own}:FillDepth"])
        assert await tag.read_type_definition() == ua.NodeId(ua.ObjectIds.AnalogItemType)


def test_progress_survives(tmp_path: Path) -> None:
    path = tmp_path / "plant" / "state.json"
    assert Progress.load(path) == Progress()
    Progress(counter=7, lot=1, tablet=3).save(path)
    assert Progress.load(path) == Progress(7, 1, 3)


async def test_a_plant_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The whole way: three lots, the plant killed amid the second; every spectrum is stored or in a gap."""
    url, store = endpoint(), Store()
    settings = OpcUaSettings(
        url=url,
        security="None",
        analysers={"NIR-1": NIR},
        machines={"Press-1": "press-1/tags"},
        silence_s=2,
        retry_most_s=0.5,
    )
    gateway = Gateway(GatewaySettings(tmp_path / "spool.db"), store, OpcUaDriver(settings))
    running = asyncio.create_task(gateway.run())
    with simulator(url, tmp_path) as process:
        await until(lambda: len(store.rows) > 40)
        process.send_signal(signal.SIGKILL)
    before = json.loads((tmp_path / "state.json").read_text())
    assert before["lot"] == 1
    await until(lambda: store.said(EventKind.DISCONNECTED))
    with simulator(url, tmp_path) as process:
        await until(lambda: len(store.said(EventKind.LOT_ENDED)) == 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0
    gateway.stop()
    await running

    truth = served(tmp_path)
    assert [seq for seq, _, _ in truth] == sorted({seq for seq, _, _ in truth})
    missed = {
        seq for gap in store.gaps.values() if gap.last_seq is not None for seq in range(gap.first_seq, gap.last_seq + 1)
    }
    assert set(store.rows) == {row for row in truth if row[0] not in missed}
    assert len(store.rows) == len(set(store.rows))
    assert all(gap.reason is GapReason.CONNECTION_LOST for gap in store.gaps.values())
    assert store.said(EventKind.LOT_ENDED) == ["BARO-2601A", "BARO-2601B", "BARO-2601C"]
    assert store.said(EventKind.LOT_STARTED) == ["BARO-2601A", "BARO-2601B", "BARO-2601C"]
    assert store.samples > 0
