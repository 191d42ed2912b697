"""Through a diode: files and datagrams, whatever happens to them on the way, and nothing comes back."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from edge_peers import AXIS, NIR, T0, MemorySink
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_courier import delivered
from test_spool import block

from baro.commands.oneway import _listen
from baro.edge.blocks import Event, EventKind, Gap, GapReason
from baro.edge.courier import Courier
from baro.edge.errors import FrameInvalidError
from baro.edge.oneway.frame import FIRST, Frame, Parts, open_frame, parts_of, payload_of
from baro.edge.oneway.receiving import Receiver
from baro.edge.oneway.sending import Datagrams, Folder, OneWaySink
from baro.edge.spool import Spool

KEY, OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)), Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
ITEMS = [
    AXIS,
    block(1, 3),
    Gap(NIR, 0, 4, 5, "A", T0, T0, GapReason.SEQUENCE_JUMP),
    Event(NIR, EventKind.REFUSED, T0, "x", b"raw"),
]


class Zone:
    """The side that receives, with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 0.0
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.folder / "spool.db", 10**9)
        self.receiver = Receiver([KEY.public_key()], self.spool, self.folder, hold_s=5, clock=lambda: self.now)

    def reopen(self) -> None:
        self.spool.close()
        self.open()

    def later(self) -> None:
        self.now += 10
        self.receiver.tick()

    def sink(self) -> MemorySink:
        self.spool.close()
        sink = MemorySink()
        delivered(self.folder / "spool.db", sink).close()
        self.open()
        return sink

    def missing(self) -> list[tuple[int, int]]:
        (intervals,) = self.receiver.missing().values()
        return intervals


@pytest.fixture
def zone(tmp_path: Path) -> Iterator[Zone]:
    zone = Zone(tmp_path / "inside")
    yield zone
    zone.spool.close()


def send(sink: OneWaySink, first: int, last: int) -> None:
    for n in range(first, last + 1):
        one = block(n)
        sink.write_blocks([(one, one.digests(), one.to_bytes())])


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.frame"))]


def test_files_arrive_in_any_order_and_what_never_comes_is_a_gap(tmp_path: Path, zone: Zone) -> None:
    out = Folder(tmp_path / "out", 10**8)
    sink = OneWaySink(tmp_path / "sender", KEY, out)
    sink.write_axis(AXIS)  # frame 1
    send(sink, 1, 3)  # 2 to 4
    sink = OneWaySink(tmp_path / "sender", KEY, out)  # started again
    assert sink.last_seq(NIR) == (0, 3)
    send(sink, 4, 9)  # 5 to 10
    sink.write_event(Event(NIR, EventKind.LOT_ENDED, T0, "A"))  # 11
    raws = files(tmp_path / "out")
    assert len(raws) == 11
    changed = bytearray(raws[6])
    changed[100] ^= 1
    with pytest.raises(FrameInvalidError):
        zone.receiver.take(bytes(changed))
    for raw in (raws[1], raws[0], raws[0], raws[2], raws[7], raws[8]):
        zone.receiver.take(raw)
    assert zone.missing() == []
    zone.reopen()  # what was held is read again by whoever keeps the files
    for raw in (raws[7], raws[8], raws[10], raws[9]):
        zone.receiver.take(raw)
    zone.later()
    assert zone.missing() == [(4, 7)]
    seen = zone.sink()
    assert seen.seqs() == [1, 2, 7, 8, 9]
    assert seen.ranges() == [(0, 3, 6, GapReason.TRANSFER_LOST)]
    assert seen.log[-1] == f"lot_ended {NIR} A"
    assert [event.detail[:18] for event in seen.events if event.kind is EventKind.TRANSFER_GAP] == [
        "frames 4 to 7 of s"
    ]
    assert zone.receiver.take(raws[5])
    assert not zone.receiver.take(raws[5])
    assert zone.missing() == [(4, 5), (7, 7)]
    zone.reopen()
    assert zone.missing() == [(4, 5), (7, 7)]
    assert zone.sink().seqs() == [5]


def test_a_sender_that_is_set_back_is_found_out(tmp_path: Path, zone: Zone) -> None:
    out = Folder(tmp_path / "out", 10**8)
    sink = OneWaySink(tmp_path / "sender", KEY, out)
    send(sink, 1, 2)
    backup = (tmp_path / "sender" / "sent").read_bytes()
    send(sink, 3, 4)
    for raw in files(tmp_path / "out"):
        assert zone.receiver.take(raw)
    (tmp_path / "sender" / "sent").write_bytes(backup)
    send(OneWaySink(tmp_path / "sender", KEY, out), 8, 8)  # frame 3 once more, with something else
    with pytest.raises(FrameInvalidError, match="does not follow"):
        for raw in files(tmp_path / "out"):
            zone.receiver.take(raw)


def test_a_folder_that_nobody_empties_holds_the_sender_up(tmp_path: Path) -> None:
    sink = OneWaySink(tmp_path / "sender", KEY, Folder(tmp_path / "out", 3000))
    with pytest.raises(OSError, match="not fetched"):
        send(sink, 1, 10)
    lying = files(tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    sink.beat()
    numbers = [open_frame(raw, [KEY.public_key()]).number for raw in lying + files(tmp_path / "out")]
    assert numbers == list(range(1, len(numbers) + 1)), "the frame that did not leave goes first"


@pytest.mark.clause("Annex 11 5")
@pytest.mark.parametrize("seed", [1, 2])
def test_datagrams_are_dropped_turned_doubled_and_forged_and_nothing_is_sent_back(
    tmp_path: Path, zone: Zone, seed: int
) -> None:
    chance = random.Random(seed)
    network, inside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    for one in (network, inside):
        one.bind(("127.0.0.1", 0))
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    outlet = Datagrams(network.getsockname(), KEY, again=(1, 3))
    sink = OneWaySink(tmp_path / "sender", KEY, outlet)
    parts, refused, lost_from = Parts([KEY.public_key()]), 0, 30

    def carry() -> None:
        nonlocal refused
        found: list[bytes] = []
        while (raw := _received(network)) is not None:
            found += [raw] * chance.choice([0, 1, 1, 1, 2])
        chance.shuffle(found)
        for raw in found:
            network.sendto(raw, inside.getsockname())
            forged = bytearray(raw)
            forged[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            network.sendto(bytes(forged), inside.getsockname())
        time.sleep(0.005)
        while (raw := _received(inside)) is not None:
            try:
                if (whole := parts.add(raw)) is not None:
                    zone.receiver.take(whole)
            except FrameInvalidError:
                refused += 1

    for n in range(1, 61):
        sink.write_blocks([_pair(block(3 * n, 3))])
        if lost_from <= n < lost_from + 6:  # longer than the repeats reach
            while _received(network) is not None:
                pass
        if n % 4 == 0:
            carry()
    for _ in range(4):
        sink.beat()
    carry()
    zone.later()
    assert refused > 50
    missing = {n for first, last in zone.missing() for n in range(first, last + 1)}
    assert missing
    seen = zone.sink()
    named = {block_.first_seq for block_ in seen.blocks.values()}
    assert named == {3 * n for n in range(1, 61)} - {3 * n for n in missing}
    assert _received(network) is None, "the receiver has answered"
    outlet._socket.setblocking(False)
    assert _received(outlet._socket) is None, "something came back to the sender"
    outlet.close()
    network.close()
    inside.close()


def _pair(one) -> tuple:
    return one, one.digests(), one.to_bytes()


def _received(one: socket.socket) -> bytes | None:
    try:
        return one.recvfrom(65536)[0]
    except BlockingIOError:
        return None


def test_the_program_that_listens_takes_datagrams_and_answers_none(tmp_path: Path, zone: Zone) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        address = probe.getsockname()
    sink, ended = MemorySink(), threading.Event()
    courier = Courier(zone.spool, sink)
    courier.start()
    listening = threading.Thread(target=_listen, args=(address, zone.receiver, courier, ended.is_set))
    listening.start()
    outlet = Datagrams(address, KEY, again=())
    outlet._socket.bind(("127.0.0.1", 0))
    outlet._socket.settimeout(0.2)
    sender = OneWaySink(tmp_path / "sender", KEY, outlet)
    until, n = time.monotonic() + 20, 0
    while len(sink.seqs()) < 10 and time.monotonic() < until:
        n += 1
        send(sender, n, n)
        outlet._socket.sendto(b"B1WD" + bytes(200), address)
        with pytest.raises(TimeoutError):
            outlet._socket.recv(100)
        zone.now += 10  # those from before it listened are not waited for
    ended.set()
    listening.join(10)
    courier.stop(5)
    outlet.close()
    assert len(sink.seqs()) >= 10
    assert sink.seqs() == list(range(sink.seqs()[0], sink.seqs()[-1] + 1))


def test_frames_carry_items_as_they_were() -> None:
    frame = Frame(bytes(16), 1, FIRST, payload_of(ITEMS))
    found = open_frame(frame.signed(KEY), [OTHER.public_key(), KEY.public_key()]).items()
    assert [item for item in found if item != found[1]] == [item for item in ITEMS if item != ITEMS[1]]
    assert found[1].batch == ITEMS[1].batch
    with pytest.raises(FrameInvalidError, match="none of the known keys"):
        open_frame(frame.signed(OTHER), [KEY.public_key()])


WHOLE = Frame(bytes(16), 1, FIRST, payload_of(ITEMS))
RAW = WHOLE.signed(KEY)
PARTS = parts_of(WHOLE, RAW, KEY)


def _typed(action: Callable[[], object]) -> None:
    try:
        action()
    except FrameInvalidError:
        return


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=300), st.data())
def test_whatever_arrives_there_are_typed_errors_only(raw: bytes, data: st.DataObject) -> None:
    keys = [KEY.public_key()]
    _typed(lambda: open_frame(raw, keys))
    _typed(lambda: Parts(keys).add(raw))
    _typed(Frame(bytes(16), 1, FIRST, raw).items)
    for whole, look in ((RAW, lambda it: open_frame(it, keys)), (PARTS[0], Parts(keys).add)):
        changed = bytearray(whole)
        changed[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(FrameInvalidError):
            look(bytes(changed))
    payload = bytearray(WHOLE.payload)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    _typed(Frame(bytes(16), 1, FIRST, bytes(payload)).items)


def test_what_is_never_whole_does_not_fill_the_memory() -> None:
    parts = Parts([KEY.public_key()], most=50_000)
    for number in range(1, 100):
        frame = Frame(bytes(16), number, FIRST, bytes(20_000))
        for raw in parts_of(frame, frame.signed(KEY), KEY)[:-1]:
            assert parts.add(raw) is None
    assert parts._held <= 50_000
    assert json.dumps(list(map(len, parts._open.values())))
