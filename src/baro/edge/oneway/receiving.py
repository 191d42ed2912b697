"""The side that listens: it checks, orders and keeps, and has no way to answer.

A frame that is missing is waited for; then it is a gap: on the list, as an event, and of each source whose numbers show
a hole behind it, as a gap of that source. A frame that comes later all the same is taken, and leaves the list.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from baro.edge.assembler import Item
from baro.edge.blocks import Block, Event, EventKind, Gap, GapReason, utc_now
from baro.edge.errors import FrameInvalidError, SpoolFullError
from baro.edge.oneway.frame import FIRST, Frame, open_frame
from baro.edge.oneway.sending import write
from baro.edge.spool import Spool

log = logging.getLogger("baro.oneway")
RECENT = 1000  # digests that are remembered to tell a repeat from a forked stream
SOURCE = "oneway/"
"""What the events of a stream are of: this and the first characters of its name."""


@dataclass(slots=True)
class _Stream:
    """next: the number that comes next. missing: ascending, disjoint intervals before it. sources: (epoch, last number)
    of each. doubtful: sources of which something may have been in a missing frame."""

    next: int = 1
    missing: list[tuple[int, int]] = field(default_factory=list)
    digests: dict[int, str] = field(default_factory=dict)
    sources: dict[str, tuple[int, int]] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)
    held: dict[int, tuple[Frame, float]] = field(default_factory=dict)  # each with the moment of its arrival

    @property
    def waiting(self) -> int:
        """Bytes that wait for a frame before them."""
        return sum(len(frame.payload) for frame, _ in self.held.values())


class Receiver:
    """Takes frames into a spool. folder: where it remembers how far it is. hold_s: seconds that a missing frame is
    waited for. most: bytes that may wait for it."""

    def __init__(
        self,
        keys: Sequence[Ed25519PublicKey],
        spool: Spool,
        folder: Path,
        hold_s: float = 10.0,
        most: int = 128_000_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keys, self.spool, self.hold_s, self.most, self._clock = keys, spool, hold_s, most, clock
        folder.mkdir(parents=True, exist_ok=True)
        self._book = folder / "received"
        self._streams: dict[bytes, _Stream] = {}
        if self._book.exists():
            for name, told in json.loads(self._book.read_text()).items():
                self._streams[bytes.fromhex(name)] = _Stream(
                    told["next"],
                    [(first, last) for first, last in told["missing"]],
                    {int(number): digest for number, digest in told["digests"].items()},
                    {source: (epoch, seq) for source, (epoch, seq) in told["sources"].items()},
                    set(told["doubtful"]),
                )

    def take(self, raw: bytes) -> bool:
        """Take one frame; False when it was known. Raises FrameInvalidError for what is not by the sender, or does not
        follow from what it sent before."""
        frame = open_frame(raw, self.keys)
        frame.items()
        stream = self._streams.setdefault(frame.stream, _Stream())
        known = stream.digests.get(frame.number)
        if known is not None and known != frame.digest.hex():
            raise self._forked(frame)
        late = next((at for at, (first, last) in enumerate(stream.missing) if first <= frame.number <= last), None)
        if late is not None:
            self._keep(stream, frame)
            first, last = stream.missing[late]
            parts = [(first, frame.number - 1), (frame.number + 1, last)]
            stream.missing[late : late + 1] = [part for part in parts if part[0] <= part[1]]
            self._save()
            return True
        if frame.number < stream.next or frame.number in stream.held:
            return False
        stream.held[frame.number] = frame, self._clock()
        self._advance(frame.stream, stream)
        return True

    def tick(self) -> None:
        """Give up waiting where it was long enough."""
        for name, stream in self._streams.items():
            if stream.held:
                self._advance(name, stream)

    def settled(self, raw: bytes) -> bool:
        """Is this frame kept, or past the end of waiting: may its file go?"""
        frame = open_frame(raw, self.keys)
        stream = self._streams.get(frame.stream, _Stream())
        return frame.number < stream.next

    def missing(self) -> dict[str, list[tuple[int, int]]]:
        """The gap list: of each stream the numbers of the frames that never came."""
        return {name.hex(): list(stream.missing) for name, stream in self._streams.items()}

    def _advance(self, name: bytes, stream: _Stream) -> None:
        """Take what is in turn, and what has waited long enough."""
        try:
            while stream.held:
                first = min(stream.held)
                if first > stream.next:
                    if self._clock() - stream.held[first][1] < self.hold_s and stream.waiting <= self.most:
                        return
                    self._give_up(name, stream, first - 1)
                frame, _ = stream.held[first]
                before = stream.digests.get(first - 1, FIRST.hex() if first == 1 else None)
                if before is not None and frame.previous.hex() != before:
                    del stream.held[first]
                    raise self._forked(frame)
                self._keep(stream, frame)
                del stream.held[first]
                stream.next = first + 1
                self._save()
        except SpoolFullError as error:
            log.error("%s", error)  # it waits here; beyond `most` there will be gaps
            while stream.waiting > self.most:
                del stream.held[max(stream.held)]

    def _give_up(self, name: bytes, stream: _Stream, last: int) -> None:
        log.error("frames %d to %d of stream %s are missing", stream.next, last, name.hex())
        detail = f"frames {stream.next} to {last} of stream {name.hex()} are missing"
        event = Event(SOURCE + name.hex()[:8], EventKind.TRANSFER_GAP, utc_now(), detail)
        self.spool.append([event], {})
        stream.missing.append((stream.next, last))
        stream.doubtful |= set(stream.sources)
        stream.next = last + 1
        self._save()

    def _keep(self, stream: _Stream, frame: Frame) -> None:
        items: list[Item] = []
        known, doubtful = dict(stream.sources), set(stream.doubtful)
        for item in frame.items():
            if isinstance(item, Block):
                epoch, seq = known.get(item.source, (item.epoch, item.first_seq - 1))
                if item.source in doubtful and item.epoch == epoch and item.first_seq > seq + 1:
                    began = item.batch.column("time")[0].as_py()
                    gap = (item.source, epoch, seq + 1, item.first_seq - 1, item.lot, began, began)
                    items.append(Gap(*gap, GapReason.TRANSFER_LOST))
                doubtful.discard(item.source)
                known[item.source] = max((epoch, seq), (item.epoch, item.last_seq))
            items.append(item)
        self.spool.append(items, {})
        stream.sources, stream.doubtful = known, doubtful
        stream.digests[frame.number] = frame.digest.hex()
        if len(stream.digests) > RECENT:
            del stream.digests[next(iter(stream.digests))]

    def _forked(self, frame: Frame) -> FrameInvalidError:
        """A signed frame that is not the one that follows: the sender was set back, or its key is used twice."""
        detail = f"frame {frame.number} of stream {frame.stream.hex()} does not follow from those before"
        log.error("%s", detail)
        event = Event(SOURCE + frame.stream.hex()[:8], EventKind.TRANSFER_GAP, utc_now(), detail, frame.digest)
        self.spool.append([event], {})
        return FrameInvalidError(detail)

    def _save(self) -> None:
        told = {
            name.hex(): {
                "next": stream.next,
                "missing": stream.missing,
                "digests": stream.digests,
                "sources": stream.sources,
                "doubtful": sorted(stream.doubtful),
            }
            for name, stream in self._streams.items()
        }
        write(self._book, json.dumps(told).encode())
