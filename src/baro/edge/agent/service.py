"""The agent as a program: one thread looks at the folders, another tells it when something stirs."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import watchfiles

from baro import __version__
from baro.edge.agent.config import AgentConfig
from baro.edge.agent.delivery import Delivery
from baro.edge.agent.findings import Finding, Memory
from baro.edge.agent.journal import Entry, Journal
from baro.edge.agent.store import Store
from baro.edge.agent.watcher import Watcher
from baro.edge.errors import StorageBrokenError, StorageFullError

log = logging.getLogger("baro.agent")
RETRY = 5.0
"""Seconds until the storage is tried again after it failed."""


class Agent:
    """Storage, journal and watchers of one configuration, ready to look."""

    def __init__(
        self,
        config: AgentConfig,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises AgentRunningError, JournalBrokenError, StorageFullError or StorageBrokenError."""
        self.config = config
        self.journal = Journal(config.storage)
        self.store = Store(config.storage)
        memories: dict[str, Memory] = {}
        try:
            for entry in self.journal.open():
                memories.setdefault(entry["instrument"], Memory()).fold(entry)
                self._finish(entry)
            self._start(wall)
        except BaseException:
            self.journal.close()
            raise
        self.watchers = [
            Watcher(rule, self.journal, self.store, memories.setdefault(rule.name, Memory()), wall, clock)
            for rule in config.instruments
        ]

    def _finish(self, entry: Entry) -> None:
        digest = entry.get("digest")
        if digest and (self.store.incoming / digest).exists():
            self.store.keep(digest)

    def _start(self, wall: Callable[[], float]) -> None:
        stem = {"at": datetime.fromtimestamp(wall(), UTC).isoformat(timespec="microseconds"), "instrument": ""}
        waiting = self.store.prepare()
        host = {"host": socket.gethostname(), "user": os.getuid(), "baro": __version__}
        self.journal.append({**stem, "kind": "start", **host, **self.config.on_record()})
        found = {**stem, "kind": "finding", "finding": Finding.RECOVERED.value, "path": ""}
        if self.journal.torn:
            self.journal.append({**found, "detail": f"{self.journal.torn} bytes of an unfinished entry taken away"})
        for digest in waiting:  # copied whole, and the crash came before its entry
            self.journal.append({**found, "detail": "a copy whose entry was not written", "digest": digest})
            self.store.keep(digest)

    def look(self) -> float:
        """Look at every folder once; seconds until the next look. An error of the storage is logged and tried again."""
        rest = self.config.rescan
        for watcher in self.watchers:
            began = time.monotonic()
            try:
                for digest in list(self.store.unplaced):
                    self.store.keep(digest)
                watcher.look()
            except (StorageFullError, StorageBrokenError) as error:
                log.error("%s: %s", watcher.rule.name, error)
                return RETRY
            if watcher.busy:
                # a large folder is not walked all the time
                rest = min(rest, max(watcher.rule.settle, 10 * (time.monotonic() - began)))
        return rest

    def close(self) -> None:
        """Let go of the storage."""
        self.journal.close()


def run(config: AgentConfig, stop: threading.Event, deliver: Callable[[Journal], Delivery] | None = None) -> None:
    """Watch until `stop` is set. deliver: makes the way of the journal to the server. Raises what `Agent` does."""
    agent = Agent(config)
    delivery = None
    for watcher in agent.watchers:
        watcher.stopped = stop.is_set
    wake = threading.Event()
    stirs = [
        threading.Thread(target=_stir, args=(rule.folder, rule.polling, wake, stop), daemon=True)
        for rule in config.instruments
    ]
    try:
        if deliver is not None:
            delivery = deliver(agent.journal)
            delivery.start()
            delivery.forward()
        for thread in stirs:
            thread.start()
        while not stop.is_set():
            wake.clear()
            began = time.monotonic()
            rest = agent.look()
            if delivery is not None:
                delivery.forward()
            least = 10 * (time.monotonic() - began)
            if stop.wait(min(0.05 + least, rest)):
                break
            deadline = began + rest
            while not stop.is_set() and not wake.is_set() and time.monotonic() < deadline:
                wake.wait(min(0.2, max(0.0, deadline - time.monotonic())))
    finally:
        if delivery is not None:
            delivery.close()
        agent.close()
        for thread in stirs:
            thread.join(2.0)


def _stir(folder: str, polling: bool, wake: threading.Event, stop: threading.Event) -> None:
    """Set `wake` when something stirs below `folder`. Where that cannot be told, the regular look has to do."""
    while not stop.is_set():
        try:
            changes = watchfiles.watch(
                folder,
                watch_filter=None,
                debounce=100,
                step=50,
                rust_timeout=500,
                stop_event=stop,
                yield_on_timeout=False,
                raise_interrupt=False,
                force_polling=polling or None,
                ignore_permission_denied=True,
            )
            for _ in changes:
                wake.set()
        except (OSError, RuntimeError, ValueError) as error:
            log.warning("%s is not watched, only looked at: %s", folder, error)
            with suppress(OSError):
                wake.set()
            stop.wait(30.0)
