"""From arrays to committed blocks, without a step for each row: for fast machines, imports and replays.

Two threads pack blocks, another one commits them, several in one transaction when they wait. What `flush` has
returned from is durable and can be asked for.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import Block, Kind, samples_columns
from baro.historian.sink import PostgresSink

_PACKERS = 2
_TOGETHER = 8
"""Blocks that are handed from thread to thread at once, since each handing over has its cost."""

_Packed = tuple[Block, list[bytes], bytes]


class Bulk:
    """Writes numbers of one source and epoch. Not for several threads at once.

    names: of the tags, to which the codes of `write` point. rows: of a block. at_once: most blocks of a transaction.
    """

    def __init__(
        self,
        sink: PostgresSink,
        source: str,
        names: list[str],
        *,
        epoch: int = 1,
        lot: str = "",
        rows: int = 5000,
        at_once: int = 32,
    ) -> None:
        self.source, self.epoch, self.lot, self.rows = source, epoch, lot, rows
        self._names = pa.array(names, pa.string())
        self._sink = sink
        self._at_once = at_once
        self._together = min(_TOGETHER, at_once)
        self._waiting: queue.Queue[list[_Packed]] = queue.Queue(2 * at_once // self._together)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._commit, name="bulk", daemon=True)
        self._thread.start()
        # digests and compression work outside of the interpreter's lock
        self._packers = ThreadPoolExecutor(_PACKERS, "pack")

    def write(
        self,
        seq: npt.NDArray[np.int64],
        time: npt.NDArray[np.int64],
        quality: npt.NDArray[np.uint32],
        tag: npt.NDArray[np.int32],
        value: npt.NDArray[np.float64],
    ) -> None:
        """Hand over rows in the order of seq: each of shape (n,), time in µs since 1970 (UTC), tag as positions in
        `names`. Raises what `PostgresSink.write_blocks` raised for earlier ones."""

        def packed(first: int) -> list[_Packed]:
            return [one(at) for at in range(first, min(first + step, len(seq)), self.rows)]

        def one(at: int) -> _Packed:
            part = slice(at, at + self.rows)
            batch = samples_columns(seq[part], time[part], quality[part], tag[part], self._names, value[part])
            block = Block(self.source, Kind.SAMPLES, self.epoch, self.lot, "", batch)
            return block, block.digests(), block.to_bytes()

        step = self.rows * self._together
        packing: deque[Future[list[_Packed]]] = deque()
        for first in range(0, len(seq), step):
            packing.append(self._packers.submit(packed, first))
            if len(packing) > 2 * _PACKERS:
                self._hand_over(packing.popleft().result())
        for last in packing:
            self._hand_over(last.result())

    def flush(self) -> None:
        """Wait until everything is committed. Raises what `PostgresSink.write_blocks` raised."""
        self._waiting.join()
        self._raise()

    def close(self) -> None:
        """Commit what is there, and end."""
        self._packers.shutdown()
        self._waiting.put([])
        self._thread.join()
        self._raise()

    def _hand_over(self, packed: list[_Packed]) -> None:
        self._raise()
        self._waiting.put(packed)

    def _raise(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _commit(self) -> None:
        ended = False
        while not ended:
            taken = [self._waiting.get()]
            while (len(taken) + 1) * self._together <= self._at_once:
                try:
                    taken.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            blocks = [block for blocks in taken for block in blocks]
            ended = [] in taken
            try:
                if self._error is None:
                    self._sink.write_blocks(blocks)
            except Exception as error:
                self._error = error
            finally:
                for _ in taken:
                    self._waiting.task_done()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
