"""The driver of watched folders.

A file is read once it is complete, and stays where it is. Its content gets its numbers on the disk before anything is
emitted; what may not have been kept when the program was killed is served again under the same numbers, which the
gateway knows and drops.
"""

from __future__ import annotations

import asyncio
import fnmatch
import hashlib
import logging
import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from baro.edge.agent.source import Print, Seen, open_below, walk
from baro.edge.blocks import Axis, utc_now
from baro.edge.driver import Choice, Emission, Emit, LinkState, Node, Offer, Refusal, Spectrum
from baro.edge.drivers.files.memory import Content, Memory
from baro.edge.drivers.files.reading import Item
from baro.edge.drivers.files.settings import FilesSettings
from baro.edge.errors import LinkLostError

log = logging.getLogger(__name__)
CHUNK = 100
"""Observations emitted at a time."""
OPEN = 200
"""Observations that may be emitted and not kept; the gateway remembers a few more than that."""
SHOWN = 20
"""Files that the wizard shows."""


@dataclass(slots=True)
class _Waiting:
    """A file that is new or changed and may still be written."""

    print: Print
    since: float


class FilesDriver:
    """Collects from one folder and all below it, for ever."""

    name = "files"
    schemes = ("file",)
    Settings = FilesSettings

    def __init__(self, settings: FilesSettings) -> None:
        self.settings = settings
        self._watch: _Watch | None = None

    def kept(self, emissions: Sequence[Emission]) -> None:
        """See `baro.edge.driver`: these are in the spool, or on record as a gap."""
        if self._watch:
            self._watch.kept(emissions)

    async def run(self, emit: Emit) -> None:
        """See `baro.edge.driver.Driver.run`. Raises StorageBrokenError when what was read cannot be remembered."""
        memory = await asyncio.to_thread(Memory, self.settings.memory_path, self.settings.reading_key)
        try:
            self._watch = _Watch(self.settings, memory, emit)
            await self._watch.hold()
        finally:
            self._watch = None
            memory.close()

    @staticmethod
    async def explore(settings: FilesSettings) -> Offer:
        """The first files of the folder, each with what it is or why it is refused. Raises LinkLostError."""
        return await asyncio.to_thread(_explore, settings)

    @staticmethod
    def choose(settings: FilesSettings, chosen: Sequence[Choice]) -> FilesSettings:
        """A folder is one source: its name is that of the first choice."""
        return settings.model_copy(update={"source": chosen[0].source}) if chosen else settings


class _Watch:
    """The folder, look after look."""

    def __init__(self, settings: FilesSettings, memory: Memory, emit: Emit) -> None:
        self.settings, self.memory, self.emit = settings, memory, emit
        self.waiting: dict[str, _Waiting] = {}
        self.up: bool | None = None
        self.open: deque[tuple[int, int, int]] = deque()
        """Emitted: first number of the content, observations of it up to here, observations in this chunk."""
        self.last = 0
        """The highest number that is surely kept."""
        self.progress = asyncio.Event()
        self.axes: dict[str, None] = {}

    async def hold(self) -> None:
        again = True
        while True:
            began = time.monotonic()
            try:
                found = await asyncio.to_thread(_look, self.settings.folder)
            except OSError as error:
                self._link(up=False, detail=f"{self.settings.folder}: {error.strerror or error}")
            else:
                self._link(up=True, detail=self.settings.folder)
                if again:
                    await self._again()
                    again = False
                for path, mark in self._complete(found, time.monotonic()):
                    await self._take(path, mark)
                    await self._settle(0)
            # a large folder is not walked all the time
            rest = max(self.settings.look, 10 * (time.monotonic() - began) if not self.waiting else 0.0)
            await asyncio.sleep(min(rest, max(self.settings.look, 30.0)))
            await self._settle(0)

    def _link(self, *, up: bool, detail: str) -> None:
        if self.up is not up:
            self.up = up
            self.emit([LinkState((self.settings.source,), up, utc_now(), detail)])

    # --- which files are complete

    def _complete(self, found: list[Seen], now: float) -> list[tuple[str, Print]]:
        """Files that stayed as they are for long enough, oldest first."""
        files = {item.path: item.print for item in found if not item.odd}
        marker = self.settings.marker
        ready = []
        wanted: dict[str, Print] = {}
        for path, mark in files.items():
            if self._ignored(path) or not mark.size or self.memory.known(path, mark):
                continue
            if marker and not ({path + marker, os.path.splitext(path)[0] + marker} & files.keys()):
                continue
            wanted[path] = mark
        for path in [path for path in self.waiting if path not in wanted]:
            del self.waiting[path]
        for path, mark in wanted.items():
            waiting = self.waiting.get(path)
            if waiting is None or waiting.print != mark:
                self.waiting[path] = _Waiting(mark, now)
            elif now - waiting.since >= self.settings.settle:
                ready.append((path, mark))
        return sorted(ready, key=lambda one: (one[1].mtime_ns, one[0]))

    def _ignored(self, path: str) -> bool:
        marker = self.settings.marker
        parts = path.split("/")
        return bool(marker and path.endswith(marker)) or any(
            fnmatch.fnmatch(part, pattern) for part in parts for pattern in self.settings.ignore
        )

    # --- taking one

    async def _take(self, path: str, mark: Print) -> None:
        try:
            data, still = await asyncio.to_thread(_load, self.settings, path)
        except OSError as error:
            log.warning("%s: %r cannot be read: %s", self.settings.source, path, error.strerror or error)
            self.waiting[path] = _Waiting(mark, time.monotonic())
            return
        if still != mark:  # touched meanwhile: it is not complete
            self.waiting[path] = _Waiting(still, time.monotonic())
            return
        self.waiting.pop(path, None)
        digest = _digest(self.settings, data, mark.size)
        known = await asyncio.to_thread(self.memory.content, digest)
        if known:
            await asyncio.to_thread(self.memory.saw, path, mark, digest)
            log.info("%s: %r holds what was read as %r", self.settings.source, path, known.path)
            return
        item = await asyncio.to_thread(Item, self.settings, path, mark.mtime_ns, data)
        refused = bool(item.reason)
        content = await asyncio.to_thread(self.memory.number, digest, path, mark, item.count, refused=refused)
        await self._serve(item, content)

    async def _serve(self, item: Item, content: Content) -> None:
        for start in range(content.settled, content.size, CHUNK):
            end = min(start + CHUNK, content.size)
            await self._settle(end - start)
            emissions = []
            for one in item.observations(content.first_seq, start, end):
                if isinstance(one, Axis):
                    digest = one.digest
                    if digest in self.axes:
                        continue
                    self.axes[digest] = None
                emissions.append(one)
            self.emit(emissions)
            self.open.append((content.first_seq, end, end - start))

    def kept(self, emissions: Sequence[Emission]) -> None:
        """What was emitted is surely kept up to here."""
        numbers = [one.seq for one in emissions if isinstance(one, Spectrum | Refusal) and one.seq is not None]
        self.last = max(self.last, *numbers) if numbers else self.last
        self.progress.set()

    async def _settle(self, room: int) -> None:
        """Note what is surely kept; wait until `room` more may be emitted."""
        while True:
            self.progress.clear()
            while self.open:
                first_seq, upto, _ = self.open[0]
                if first_seq + upto - 1 > self.last:
                    break
                await asyncio.to_thread(self.memory.settle, first_seq, upto)
                self.open.popleft()
            if not self.open or sum(count for *_, count in self.open) + room <= OPEN:
                return
            await self.progress.wait()

    # --- after a restart

    async def _again(self) -> None:
        """Serve again what may not have been kept when the program ended."""
        for content in await asyncio.to_thread(self.memory.unsettled):
            try:
                data, mark = await asyncio.to_thread(_load, self.settings, content.path)
            except OSError as error:
                log.warning("%s: %r is gone: %s", self.settings.source, content.path, error.strerror or error)
                continue
            if _digest(self.settings, data, mark.size) != content.digest:
                log.warning("%s: %r was changed before all of it was kept", self.settings.source, content.path)
                continue
            item = await asyncio.to_thread(Item, self.settings, content.path, content.mtime_ns, data)
            if item.count != content.size:
                log.warning("%s: %r is read otherwise by these settings", self.settings.source, content.path)
                continue
            await self._serve(item, content)


def _look(folder: str) -> list[Seen]:
    return list(walk(folder))


def _load(settings: FilesSettings, path: str) -> tuple[bytes, Print]:
    """The bytes of a file, one more than may be read at most, and what it was after they were read."""
    with open(open_below(settings.folder, path), "rb") as file:
        data = file.read(settings.largest + 1)
        return data, Print.of(os.fstat(file.fileno()))


def _digest(settings: FilesSettings, data: bytes, size: int) -> str:
    """Of the whole content; of one that is too large to be read, of its beginning and its size."""
    found = hashlib.sha256(data)
    return found.hexdigest() if size <= settings.largest else f"{found.hexdigest()}-{size}"


def _explore(settings: FilesSettings) -> Offer:
    try:
        found = [item for item in walk(settings.folder) if not item.odd and item.print.size]
    except OSError as error:
        raise LinkLostError(f"{settings.folder}: {error.strerror or error}") from error
    found = [item for item in found if not any(fnmatch.fnmatch(item.path, pattern) for pattern in settings.ignore)]
    notes, nodes = [], []
    for item in found[:SHOWN]:
        try:
            data, mark = _load(settings, item.path)
        except OSError as error:
            notes.append(f"{item.path}: {error.strerror or error}")
            continue
        read = Item(settings, item.path, mark.mtime_ns, data)
        if read.reason:
            notes.append(read.reason[:300])
            continue
        axis, first = list(read.observations(1, 0, 1))[:2]
        if isinstance(axis, Axis) and not isinstance(first, Axis | LinkState):
            node = Node(item.path, item.path, "spectrum", type=f"{read.count} spectra", source=settings.source)
            values = getattr(first, "values", None)
            nodes.append(replace(node, unit=axis.unit, axis=axis, value=values, time=first.time, address=item.path))
    if len(found) > SHOWN:
        notes.append(f"{len(found) - SHOWN} more files")
    root = Node("", settings.folder, "folder", source=settings.source, children=tuple(nodes))
    return Offer((root,), tuple(notes))
