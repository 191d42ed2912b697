"""The side that speaks: a sink that signs, numbers and sends, and never hears anything."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from baro.edge.assembler import Item
from baro.edge.blocks import Axis, Block, Event, Gap, JournalPart
from baro.edge.oneway.frame import FIRST, MOST, Frame, open_frame, parts_of, payload_of

SUFFIX = ".frame"


class Outlet(Protocol):
    """Where frames leave."""

    def put(self, frame: Frame, raw: bytes) -> None:
        """Let one go. Raises OSError when it cannot."""


class Folder:
    """Frames as files, for whatever carries files through the diode. limit: most bytes that may lie there."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, frame: Frame, raw: bytes) -> None:
        """Write one file, whole or not at all."""
        lying = sum(path.stat().st_size for path in self.folder.glob(f"*{SUFFIX}"))
        if lying + len(raw) > self.limit:
            raise OSError(f"{lying} bytes lie in {self.folder} and are not fetched")
        write(self.folder / f"{frame.stream.hex()}-{frame.number:012d}{SUFFIX}", raw)


class Datagrams:
    """Frames as UDP datagrams, each frame again behind the frames after it: `again` says how many behind. rate: bytes a
    second."""

    def __init__(
        self, address: tuple[str, int], key: Ed25519PrivateKey, again: Sequence[int] = (1, 8), rate: int = 4_000_000
    ) -> None:
        self.address, self.key, self.again, self.rate = address, key, tuple(again), rate
        self._sent: deque[list[bytes]] = deque(maxlen=max(again, default=0) + 1)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)

    def put(self, frame: Frame, raw: bytes) -> None:
        """Send one, and once more those that were sent so many frames ago."""
        self._sent.append(parts_of(frame, raw, self.key))
        for behind in (0, *self.again):
            if behind < len(self._sent):
                self._send(self._sent[-1 - behind])

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def _send(self, datagrams: list[bytes]) -> None:
        due = time.monotonic()
        for raw in datagrams:
            self._socket.sendto(raw, self.address)
            due += len(raw) / self.rate
            if due - time.monotonic() > 0.002:
                time.sleep(due - time.monotonic())


class OneWaySink:
    """A sink of gateways that sends. What it has sent counts as delivered.

    The last frame and how far each source is lie in `folder`, so that numbers and chain go on after any end; the last
    frame is then sent again, byte for byte the same. May be used from several threads.
    """

    def __init__(self, folder: Path, key: Ed25519PrivateKey, outlet: Outlet) -> None:
        self.folder, self.key, self.outlet = folder, key, outlet
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._book = folder / "sent"
        self._sources: dict[str, tuple[int, int]] = {}
        self._stream, self._number, self._previous = os.urandom(16), 0, FIRST
        self._unsent: tuple[Frame, bytes] | None = None
        if self._book.exists():
            self._restore()

    def write_blocks(self, blocks: Sequence[tuple[Block, list[bytes], bytes]]) -> None:
        """Send blocks, in as many frames as they need."""
        for block, _, _ in blocks:
            known = self._sources.get(block.source, (-1, -1))
            self._sources[block.source] = max(known, (block.epoch, block.last_seq))
        some: list[Item] = []
        size = 0
        for block, _, body in blocks:
            if some and size + len(body) > MOST // 8:
                self._send(some)
                some, size = [], 0
            some.append(block)
            size += len(body)
        self._send(some)

    def write_axis(self, axis: Axis) -> None:
        """Send an axis."""
        self._send([axis])

    def write_gap(self, gap: Gap) -> None:
        """Send a gap."""
        self._send([gap])

    def write_event(self, event: Event) -> None:
        """Send an event."""
        self._send([event])

    def write_journal(self, part: JournalPart) -> None:
        """Send entries of a journal."""
        self._send([part])

    def last_seq(self, source: str) -> tuple[int, int] | None:
        """How far the source was when something of it was sent last."""
        return self._sources.get(source)

    def beat(self) -> None:
        """Say that the sender lives, and how far it is."""
        self._send([])

    def _send(self, items: Sequence[Item]) -> None:
        with self._lock:
            if self._unsent is not None:
                self.outlet.put(*self._unsent)
                self._unsent = None
            frame = Frame(self._stream, self._number + 1, self._previous, payload_of(items))
            raw = frame.signed(self.key)
            book = json.dumps(self._sources).encode() + b"\n" + raw
            write(self._book, book)
            self._number, self._previous = frame.number, frame.digest
            self._unsent = (frame, raw)
            self.outlet.put(frame, raw)
            self._unsent = None

    def _restore(self) -> None:
        told, _, raw = self._book.read_bytes().partition(b"\n")
        frame = open_frame(raw, [self.key.public_key()])
        self._sources = {source: (epoch, seq) for source, (epoch, seq) in json.loads(told).items()}
        self._stream, self._number, self._previous = frame.stream, frame.number, frame.digest
        self._unsent = (frame, raw)


def write(path: Path, raw: bytes) -> None:
    """A file that is whole at any time, durable when this returns."""
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
