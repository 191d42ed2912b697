"""The OPC UA driver against node-opcua: security, users, trust, discovery, and a server that restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from edge_peers import MemorySink

from baro.edge import secrets, trust
from baro.edge.blocks import EventKind, GapReason
from baro.edge.driver import Choice, Node, Offer
from baro.edge.drivers.opcua import OpcUaDriver, OpcUaSettings
from baro.edge.drivers.opcua.offer import choose, explore
from baro.edge.errors import (
    CertificateExpiredError,
    CertificateForeignError,
    CertificateNotTrustedError,
    ClientRefusedError,
    EdgeError,
    EndpointMissingError,
    PasswordExposedError,
    ServerAwayError,
    UserRefusedError,
)
from baro.edge.gateway import Gateway, GatewaySettings
from baro.edge.trust import TrustStore
from tests.node_opcua import NodeServer
from tests.ports import free_port

pytestmark = pytest.mark.peer
ALL = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
SOURCE = "tester-7"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """Every policy, users and anonymous, a DI device; trusts whoever comes."""
    server = NodeServer(tmp_path_factory.mktemp("node"), policies=ALL, di=True)
    server.start()
    secrets.put("test.good", b"secret")
    secrets.put("test.bad", b"nonsense")
    yield server
    server.stop()


@pytest.fixture
def trusting(server: NodeServer, tmp_path: Path) -> TrustStore:
    store = TrustStore(tmp_path / "trust")
    store.keep_only([server.der])
    return store


def settings(url: str, **others: object) -> OpcUaSettings:
    return OpcUaSettings.model_validate(
        {"url": url, "silence_s": 8.0, "publishing_ms": 20, "retry_most_s": 0.5} | others
    )


async def look(store: TrustStore, told: OpcUaSettings) -> Offer:
    with trust.using(store):
        return await explore(told)


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


@asynccontextmanager
async def collecting(folder: Path, sink: MemorySink, told: OpcUaSettings) -> AsyncIterator[Gateway]:
    gateway = Gateway(GatewaySettings(folder / "spool.db", flush_ms=10, samples_ms=20), sink, OpcUaDriver(told))
    task = asyncio.create_task(gateway.run())
    yield gateway
    gateway.stop()
    await task


class Cable:
    """A way to a server that can be cut and mended."""

    def __init__(self, port: int) -> None:
        self.port, self.own = port, free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.own}"
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.own)

    async def cut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers += [writer, far_writer]

        async def pour(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            try:
                while data := await one.read(65536):
                    other.write(data)
                    await other.drain()
            except OSError:
                pass
            other.close()

        await asyncio.gather(pour(reader, far_writer), pour(far_reader, writer))


def values(sink: MemorySink, tag: str) -> list[object]:
    return [
        row["value"]
        for block in sink.blocks.values()
        for row in block.batch.to_pylist()
        if row["tag"] == tag
    ]  # fmt: skip


@pytest.mark.clause("Part 11 11.30", "Annex 11 12.1")
@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("mode", ["Sign", "SignAndEncrypt"])
async def test_every_policy_that_is_still_allowed(
    server: NodeServer, trusting: TrustStore, policy: str, mode: str
) -> None:
    offer = await look(trusting, settings(server.url, security=policy, mode=mode, user="op1", password="test.good"))
    assert offer.notes[0] == f"security: {policy}, {mode}"
    assert any(node.label == "Tester-7" for node in offer.walk())


async def test_the_strongest_is_chosen_and_no_protection_is_never_fallen_back_to(
    server: NodeServer, trusting: TrustStore
) -> None:
    offer = await look(trusting, settings(server.url))
    assert offer.notes[0] == "security: Aes256_Sha256_RsaPss, SignAndEncrypt"
    with pytest.raises(EndpointMissingError, match=r"offered .*Basic256Sha256 Sign"):
        await look(trusting, settings(server.url, security="None"))


@pytest.mark.clause("Part 11 11.10(d)")
async def test_refusals_have_their_names(server: NodeServer, trusting: TrustStore, tmp_path: Path) -> None:
    nothing = TrustStore(tmp_path / "empty")
    with pytest.raises(CertificateNotTrustedError) as refused:
        await look(nothing, settings(server.url))
    assert refused.value.certificate == server.der
    assert trust.Certificate.read(server.der).thumbprint in str(refused.value)
    with pytest.raises(UserRefusedError):
        await look(trusting, settings(server.url, user="op1", password="test.bad"))
    with pytest.raises(UserRefusedError):
        await look(trusting, settings(server.url, user="nobody", password="test.good"))
    with pytest.raises(ServerAwayError):
        await look(trusting, settings(f"opc.tcp://127.0.0.1:{free_port()}"))


async def test_a_tree_with_live_values_and_what_is_chosen_of_it(server: NodeServer, trusting: TrustStore) -> None:
    offer = await look(trusting, settings(server.url))
    found = {(node.source, node.tag): node for node in offer.walk() if node.tag}
    hardness, state, program = (found[SOURCE, tag] for tag in ("Hardness", "State", "Program"))
    assert (hardness.kind, hardness.type, hardness.unit, hardness.quality) == ("tag", "Double", "N", 0)
    assert hardness.value == 120.0
    assert (state.kind, state.labels, state.value) == ("state", ("Stopped", "Running", "Fault"), 1.0)
    assert program.value == "tablets 8 mm"
    assert found[SOURCE, "Zero"].kind == "method"
    device = next(node for node in offer.walk() if node.label == "Balance-3")
    assert device.type == "BalanceType DI"
    weight = found["balance-3", "ParameterSet/Weight"]
    assert (weight.unit, weight.value) == ("g", 12.5)
    assert weight.address == "nsu=urn:tester:7;s=Weight"
    chosen = choose(
        settings(server.url), [Choice(node.path, node.source, node.tag) for node in (weight, found[SOURCE, "LotId"])]
    )
    assert [one.model_dump() for one in chosen.nodes] == [
        {"source": "balance-3", "tag": "ParameterSet/Weight", "node": "nsu=urn:tester:7;s=Weight"}
    ]
    assert chosen.lots == {SOURCE: "nsu=urn:tester:7;s=LotId"}


def chosen_of(offer: Offer, told: OpcUaSettings) -> OpcUaSettings:
    wanted: list[Node] = [node for node in offer.walk() if node.kind in ("tag", "state") and node.source == SOURCE]
    return choose(told, [Choice(node.path, node.source, node.tag) for node in wanted])


async def test_a_server_that_nobody_configured_is_collected_and_a_restart_is_a_gap(tmp_path: Path) -> None:
    server = NodeServer(tmp_path / "node", anonymous=False)
    program = await asyncio.to_thread(server.start)
    store, sink = TrustStore(tmp_path / "trust"), MemorySink()
    secrets.put("test.good", b"secret")
    told = settings(server.url, user="op1", password="test.good")
    try:
        with trust.using(store):
            async with collecting(tmp_path, sink, chosen_of(Offer(()), told)) as gateway:
                await until(lambda: isinstance(gateway.driver.refusal, CertificateNotTrustedError))
            store.keep_only([server.der])
            told = chosen_of(await explore(told), told)
            async with collecting(tmp_path, sink, told) as gateway:
                await until(lambda: values(sink, "Hardness") == [120.0])
                assert gateway.driver.refusal is None
                assert gateway.driver.certificate_until is not None
                program.tell(do="set", tag="Hardness", value=121.5)
                program.tell(do="set", tag="Program", value="정제 9 mm")
                await until(lambda: values(sink, "Hardness") == [120.0, 121.5])
                server.stop()
                await until(lambda: EventKind.DISCONNECTED in sink.kinds(SOURCE))
                await asyncio.to_thread(server.start)
                await until(lambda: values(sink, "Hardness") == [120.0, 121.5, 120.0])
    finally:
        server.stop()
    texts = [
        row.get("text") for block in sink.blocks.values() for row in block.batch.to_pylist() if row["tag"] == "Program"
    ]
    assert texts[:2] == ["tablets 8 mm", "정제 9 mm"]
    assert {block.lot for block in sink.blocks.values()} == {"LOT-7"}
    (gap,) = [gap for gap in sink.gaps.values() if gap.source == SOURCE and gap.reason is GapReason.CONNECTION_LOST]
    assert gap.ended_at is not None
    assert gap.started_at < gap.ended_at


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"since": datetime.now(UTC) - timedelta(days=9), "lasts": timedelta(days=8)}, CertificateExpiredError),
        ({"uri": "urn:somebody:else"}, CertificateForeignError),
    ],
    ids=["expired", "another application"],
)
async def test_a_trusted_certificate_does_not_do_when(
    tmp_path: Path, how: dict[str, object], kind: type[EdgeError]
) -> None:
    server = NodeServer(tmp_path / "node", **how)
    await asyncio.to_thread(server.start)
    store = TrustStore(tmp_path / "trust")
    store.keep_only([server.der])
    try:
        with pytest.raises(kind):
            await look(store, settings(server.url))
    finally:
        server.stop()


async def test_a_password_is_not_sent_readably_and_a_server_may_not_trust_us(tmp_path: Path) -> None:
    server = NodeServer(tmp_path / "node", policies=("None", "Basic256Sha256"), accept=False)
    await asyncio.to_thread(server.start)
    store = TrustStore(tmp_path / "trust")
    store.keep_only([server.der])
    secrets.put("test.good", b"secret")
    try:
        with pytest.raises(PasswordExposedError):
            await look(store, settings(server.url, security="None", user="op1", password="test.good"))
        with pytest.raises(ClientRefusedError, match=trust.own().certificate.thumbprint):
            await look(store, settings(server.url))
        offer = await look(store, settings(server.url, security="None"))
    finally:
        server.stop()
    assert offer.notes[0] == "security: None, None"
    assert np.isfinite([node.value for node in offer.walk() if node.tag == "Hardness"]).all()


def times(sink: MemorySink, tag: str) -> list[datetime]:
    return [
        row["time"]
        for block in sink.blocks.values()
        for row in block.batch.to_pylist()
        if block.source == SOURCE and row["tag"] == tag
    ]  # fmt: skip


@pytest.mark.clause("Part 11 11.10(h)", "Annex 11 5")
@pytest.mark.parametrize("others", [(), ("Program",)], ids=["all tags have a history", "one tag has none"])
async def test_what_a_server_kept_during_a_cut_is_fetched_once(
    server: NodeServer, trusting: TrustStore, tmp_path: Path, others: tuple[str, ...]
) -> None:
    sink, cable = MemorySink(), Cable(server.port)
    program, tag = server.program, "Thickness" if others else "Hardness"
    await cable.mend()
    wanted = [Choice(f"nsu=urn:tester:7;s={name}", SOURCE, name) for name in (tag, *others, "LotId")]
    told = choose(settings(cable.url, retry_most_s=0.3), wanted)
    before, cut, after = [1.0, 2.0, 3.0], [10.0 + n for n in range(40)], [70.0, 71.0]
    with trust.using(trusting):
        async with collecting(tmp_path, sink, told):
            await until(lambda: len(values(sink, tag)) == 1)
            program.tell(do="ramp", tag=tag, first=1, count=3, ms=10)
            await until(lambda: values(sink, tag)[-1] == 3.0)
            await cable.cut()
            await until(lambda: EventKind.DISCONNECTED in sink.kinds(SOURCE))
            program.tell(do="ramp", tag=tag, first=10, count=40, ms=5)
            await asyncio.to_thread(program.expect, "ramped")
            await asyncio.to_thread(program.expect, "ramped")
            await cable.mend()
            await until(lambda: set(cut) <= set(values(sink, tag)))
            program.tell(do="ramp", tag=tag, first=70, count=2, ms=30)
            await until(lambda: values(sink, tag)[-1] == 71.0)
        # nobody collects; the next start asks for what came meanwhile
        program.tell(do="ramp", tag=tag, first=80, count=5, ms=5)
        await asyncio.to_thread(program.expect, "ramped")
        await asyncio.to_thread(program.expect, "ramped")
        async with collecting(tmp_path, sink, told):
            await until(lambda: {80.0 + n for n in range(5)} <= set(values(sink, tag)))
    await cable.cut()
    found = values(sink, tag)[1:]
    assert sorted(found) == [*before, *cut, *after, *(80.0 + n for n in range(5))], "everything once"
    lost = next(gap for gap in sink.gaps.values() if gap.reason is GapReason.CONNECTION_LOST)
    served = sorted(times(sink, tag))
    assert lost.ended_at is not None
    if others:
        assert lost.ended_at >= served[1 + len(before) + len(cut) - 1], "the text may be missing over all of it"
    else:
        assert times(sink, tag) == served, "in order"
        assert lost.ended_at == served[1 + len(before)], "closed by the first value that came"
    assert EventKind.CLOCK_JUMP not in sink.kinds(SOURCE)
    assert {block.lot for block in sink.blocks.values()} == {"LOT-7"}
