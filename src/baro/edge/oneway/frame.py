"""Frames: items of the spool, numbered, chained by their hashes and signed.

A frame is ``BARO1WY1``, the stream (16 bytes, drawn when the sender is set up), the number (from 1), the SHA-256 of the
frame before, the length of what it carries, that, and an Ed25519 signature over all of it. All numbers are big-endian.
A frame that carries nothing only says that the sender lives and how far it is.

A datagram is ``B1WD``, stream, number, index and count of the parts of one frame, the part, and a signature over all of
it: so a forged part cannot take the place of a true one.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from baro.edge.assembler import Item
from baro.edge.errors import FrameInvalidError
from baro.edge.packing import packed, unpacked

MAGIC, PART_MAGIC = b"BARO1WY1", b"B1WD"
FIRST = bytes(32)
"""What the first frame of a stream names as the hash of the one before."""
MOST = 32_000_000  # bytes of a frame
PART = 1200  # bytes of a frame in one datagram, which then passes every network unbroken
MOST_PARTS = 65_535
_HEAD = struct.Struct(">8s16sQ32sI")
_PART = struct.Struct(">4s16sQHH")
_ITEM = struct.Struct(">III")
_SIGNATURE = 64
# what Arrow, JSON and the types raise of bytes that are none of theirs
_UNREADABLE = (
    *(struct.error, ValueError, LookupError, TypeError, AttributeError, OverflowError, OSError, StopIteration),
    pa.ArrowException,
)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. previous: the digest of the one before."""

    stream: bytes
    number: int
    previous: bytes
    payload: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of all that is signed."""
        return hashlib.sha256(self._body()).digest()

    def signed(self, key: Ed25519PrivateKey) -> bytes:
        """The frame as it travels."""
        body = self._body()
        return body + key.sign(body)

    def items(self) -> list[Item]:
        """What it carries. Raises FrameInvalidError."""
        found, at, end = [], 0, len(self.payload)
        try:
            while at < end:
                sizes = _ITEM.unpack_from(self.payload, at)
                at += _ITEM.size
                parts = []
                for size in sizes:
                    if at + size > end:
                        raise FrameInvalidError(f"frame {self.number}: an item is cut off")
                    parts.append(self.payload[at : at + size])
                    at += size
                found.append(unpacked(parts[0].decode(), parts[1], parts[2]))
        except _UNREADABLE as error:
            raise FrameInvalidError(f"frame {self.number}: {type(error).__name__}: {error}") from error
        return found

    def _body(self) -> bytes:
        return _HEAD.pack(MAGIC, self.stream, self.number, self.previous, len(self.payload)) + self.payload


def payload_of(items: Sequence[Item]) -> bytes:
    """What a frame carries of these items."""
    parts = []
    for item in items:
        head, digests, body = packed(item)
        raw = head.encode()
        parts += [_ITEM.pack(len(raw), len(digests), len(body)), raw, digests, body]
    return b"".join(parts)


def open_frame(raw: bytes, keys: Sequence[Ed25519PublicKey]) -> Frame:
    """The frame of these bytes, signed by one of the keys. Raises FrameInvalidError."""
    if not _HEAD.size + _SIGNATURE <= len(raw) <= MOST + _HEAD.size + _SIGNATURE:
        raise FrameInvalidError(f"{len(raw)} bytes")
    magic, stream, number, previous, size = _HEAD.unpack_from(raw)
    if magic != MAGIC or number < 1 or size != len(raw) - _HEAD.size - _SIGNATURE:
        raise FrameInvalidError("not built like one")
    _check(raw, keys)
    return Frame(stream, number, previous, raw[_HEAD.size : -_SIGNATURE])


def parts_of(frame: Frame, raw: bytes, key: Ed25519PrivateKey) -> list[bytes]:
    """The datagrams of a frame that is `raw` as it travels."""
    chunks = [raw[at : at + PART] for at in range(0, len(raw), PART)]
    found = []
    for index, chunk in enumerate(chunks):
        body = _PART.pack(PART_MAGIC, frame.stream, frame.number, index, len(chunks)) + chunk
        found.append(body + key.sign(body))
    return found


class Parts:
    """Puts datagrams together, in any order, each as often as it comes. most: bytes of frames that are not whole yet;
    beyond them the oldest frame is given up."""

    def __init__(self, keys: Sequence[Ed25519PublicKey], most: int = 2 * MOST) -> None:
        self.keys = keys
        self.most = most
        self._open: dict[tuple[bytes, int, int], dict[int, bytes]] = {}
        self._done: dict[tuple[bytes, int, int], None] = {}
        self._held = 0

    def add(self, raw: bytes) -> bytes | None:
        """The frame that this datagram completes. Raises FrameInvalidError for what is none of ours."""
        if not _PART.size + _SIGNATURE < len(raw) <= _PART.size + PART + _SIGNATURE:
            raise FrameInvalidError(f"a datagram of {len(raw)} bytes")
        magic, stream, number, index, count = _PART.unpack_from(raw)
        if magic != PART_MAGIC or index >= count:
            raise FrameInvalidError("a datagram that is not built like one")
        name = (stream, number, count)
        if name in self._done:
            return None
        _check(raw, self.keys)
        parts = self._open.setdefault(name, {})
        if index not in parts:
            parts[index] = raw[_PART.size : -_SIGNATURE]
            self._held += len(parts[index])
        if len(parts) == count:
            self._forget(name)
            self._done[name] = None
            if len(self._done) > 1000:
                del self._done[next(iter(self._done))]
            return b"".join(parts[at] for at in range(count))
        while self._held > self.most:
            self._forget(next(iter(self._open)))
        return None

    def _forget(self, name: tuple[bytes, int, int]) -> None:
        self._held -= sum(map(len, self._open.pop(name).values()))


def _check(raw: bytes, keys: Sequence[Ed25519PublicKey]) -> None:
    for key in keys:
        try:
            key.verify(raw[-_SIGNATURE:], raw[:-_SIGNATURE])
        except InvalidSignature:
            continue
        return
    raise FrameInvalidError("the signature is by none of the known keys")
