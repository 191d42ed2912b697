"""The journal on its way to the historian: behind what is on the disk here, by the spool and the courier.

The journal itself stays where it is, so nothing is lost when the spool is: what is delivered twice falls away. A server
that is away holds up neither the copying of files nor the journal.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from baro.edge.agent.journal import Journal
from baro.edge.blocks import JournalPart
from baro.edge.courier import Courier, Sink
from baro.edge.errors import SpoolBrokenError, SpoolFullError
from baro.edge.spool import Spool
from baro.edge.state import SourceState

log = logging.getLogger("baro.agent")
ENTRIES, BYTES = 200, 256_000
"""Most that one part of the journal holds: so much is one transaction of the server."""
ASK_AGAIN = 2.0
"""Seconds until the server is looked for again."""


class Delivery:
    """Brings the journal of one agent to a sink.

    find: gives the sink, and raises while there is none. patience: seconds that an ending agent goes on delivering.
    """

    def __init__(
        self, agent: str, journal: Journal, spool: Spool, find: Callable[[], Sink], patience: float = 5.0
    ) -> None:
        self.agent = agent
        self.journal = journal
        self.spool = spool
        self.patience = patience
        self._find = find
        self._stop = threading.Event()
        self._courier: Courier | None = None
        state = spool.states().get(agent)
        self._number = (state.last_seq or 0) if state else 0
        """The last entry that is in the spool or beyond."""
        self._read = 0
        self._offset = 0
        self._thread = threading.Thread(target=self._begin, name="delivery", daemon=True)

    def start(self) -> None:
        """Begin to deliver what is in the spool."""
        self._thread.start()

    def forward(self) -> None:
        """Put what the journal has more than the spool into it. What there is no room for now comes later."""
        try:
            with open(self.journal.folder / "journal.jsonl", "rb") as file:
                file.seek(self._offset)
                while part := self._next(file.readline):
                    first, lines, end = part
                    if lines:
                        last = first + len(lines) - 1
                        self.spool.append(
                            [JournalPart(self.agent, tuple(lines))], {self.agent: SourceState(last_seq=last)}
                        )
                        self._number = last
                    self._read, self._offset = first + len(lines) - 1, end
                    file.seek(end)
        except (SpoolFullError, SpoolBrokenError, OSError) as error:
            log.error("the journal is not handed on for now: %s", error)
        if self._courier is not None:
            self._courier.wake()

    def close(self) -> None:
        """Deliver for a while, then leave the rest to the next start."""
        self._stop.set()
        self._thread.join(self.patience)
        if self._thread.is_alive():  # it waits for a server; the spool is left to it until the process ends
            return
        if self._courier is not None:
            self._courier.stop(self.patience)
            if self._courier.alive:
                return
        self.spool.close()

    def _next(self, readline: Callable[[], bytes]) -> tuple[int, list[bytes], int] | None:
        """Number of the first of the next lines, those that are not in the spool yet, and where they end."""
        number, end, size = self._read + 1, self._offset, 0
        lines: list[bytes] = []
        while end < self.journal.length and len(lines) < ENTRIES and size < BYTES:
            line = readline()
            end += len(line)
            if number + len(lines) <= self._number:
                number += 1
                continue
            lines.append(line[:-1])
            size += len(line)
        return (number, lines, end) if end > self._offset else None

    def _begin(self) -> None:
        while not self._stop.is_set():
            try:
                sink = self._find()
            except Exception as error:
                log.warning("there is nobody to deliver to yet: %s", error)
                self._stop.wait(ASK_AGAIN)
                continue
            courier = Courier(self.spool, sink)
            courier.start()
            self._courier = courier
            return


def open_spool(path: Path, limit: int) -> Spool:
    """The spool of an agent. Raises SpoolBrokenError."""
    try:
        return Spool(path, limit)
    except (OSError, sqlite3.Error) as error:
        raise SpoolBrokenError(f"{path}: {error}") from error
