"""What the tests of the edge share: a sink in memory and a driver that replays a list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from baro.edge.blocks import Axis, Block, Event, EventKind, Gap, Kind
from baro.edge.driver import Emission, Emit, Spectrum

T0 = datetime(2026, 3, 2, 1, tzinfo=UTC)
AXIS = Axis((600.0, 602.0, 604.0))
NIR = "press-1/nir"


class RefusedForEverError(Exception):
    retryable = False


class MemorySink:
    """A sink as the contract wants it: idempotent, the later gap counts. `failing` makes it unreachable;
    what `refuses` says yes to it never takes."""

    def __init__(self) -> None:
        self.blocks: dict[tuple[str, int, int], Block] = {}
        self.axes: dict[str, Axis] = {}
        self.gaps: dict[tuple[str, int, int], Gap] = {}
        self.events: list[Event] = []
        self.log: list[str] = []
        self.failing = False
        self.refuses: Callable[[Axis | Block | Gap | Event], bool] = lambda item: False
        self.known: dict[str, tuple[int, int]] = {}

    def write_blocks(self, blocks: Sequence[tuple[Block, list[bytes], bytes]]) -> None:
        for block, _, _ in blocks:
            self._check(block)
        for block, digests, body in blocks:
            self._write_block(block, digests, body)

    def _write_block(self, block: Block, digests: list[bytes], body: bytes) -> None:
        assert digests == block.digests()
        key = (block.source, block.epoch, block.first_seq)
        if key in self.blocks:
            assert self.blocks[key].to_bytes() == body
            return
        self.blocks[key] = block
        self.log.append(f"block {block.source} {block.lot} {block.epoch}:{block.first_seq}-{block.last_seq}")

    def write_axis(self, axis: Axis) -> None:
        self._check(axis)
        self.axes[axis.digest] = axis

    def write_gap(self, gap: Gap) -> None:
        self._check(gap)
        self.gaps[gap.source, gap.epoch, gap.first_seq] = gap

    def write_event(self, event: Event) -> None:
        self._check(event)
        if event not in self.events:
            self.events.append(event)
            self.log.append(f"{event.kind} {event.source} {event.detail}")

    def last_seq(self, source: str) -> tuple[int, int] | None:
        self._check()
        return self.known.get(source)

    def _check(self, item: Axis | Block | Gap | Event | None = None) -> None:
        if self.failing:
            raise ConnectionError("the database is away")
        if item is not None and self.refuses(item):
            raise RefusedForEverError("not like this")

    def seqs(self, source: str = NIR, epoch: int | None = None) -> list[int]:
        """Every stored number, block after block as they arrived."""
        return [
            seq
            for block in self.blocks.values()
            if block.source == source and epoch in (None, block.epoch)
            for seq in block.batch.column("seq").to_pylist()
        ]

    def spectra(self) -> list[Block]:
        return [block for block in self.blocks.values() if block.kind is Kind.SPECTRA]

    def kinds(self, source: str = NIR) -> list[EventKind]:
        return [event.kind for event in self.events if event.source == source]

    def ranges(self, source: str = NIR) -> list[tuple[int, int, int | None, str]]:
        """(epoch, first, last, reason) of each gap that misses numbers."""
        return [
            (gap.epoch, gap.first_seq, gap.last_seq, gap.reason.value)
            for gap in self.gaps.values()
            if gap.source == source and (gap.last_seq is None or gap.last_seq >= gap.first_seq)
        ]


class ScriptDriver:
    """Emits what it is given, then stays."""

    def __init__(self, batches: Sequence[Sequence[Emission]], pause: float = 0.0) -> None:
        self.batches = batches
        self.pause = pause
        self.told = asyncio.Event()

    async def run(self, emit: Emit) -> None:
        for batch in self.batches:
            emit(batch)
            await asyncio.sleep(self.pause)
        self.told.set()
        await asyncio.Event().wait()


def spectrum(seq: int, at: float | None = None, lot: str = "A", source: str = NIR) -> Spectrum:
    """A spectrum served `at` seconds after T0 (default: seq seconds)."""
    time = T0 + timedelta(seconds=seq if at is None else at)
    return Spectrum(source, seq, time, 0, lot, f"T{seq:03d}", AXIS.digest, np.full(3, seq, np.float32))
