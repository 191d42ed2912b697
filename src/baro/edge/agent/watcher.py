"""One instrument's folder, look after look: what is new is copied, what is wrong is found."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from baro.edge.agent.config import InstrumentRule
from baro.edge.agent.findings import Finding, Known, Memory
from baro.edge.agent.journal import Entry, Journal
from baro.edge.agent.source import Print, Seen, open_below, walk
from baro.edge.agent.store import CHUNK, Store

SECOND = 1_000_000_000


@dataclass(slots=True)
class Waiting:
    """A file that is new or changed and may still be written. Times are of the monotonic clock."""

    print: Print
    first: float
    since: float


@dataclass(slots=True)
class Watcher:
    """`wall` and `clock` are the agent's two clocks, seconds: of the world, and one that only goes on."""

    rule: InstrumentRule
    journal: Journal
    store: Store
    memory: Memory
    wall: Callable[[], float]
    clock: Callable[[], float]
    stopped: Callable[[], bool] = lambda: False
    """Is it time to end? What was not looked at by then is for the next start."""
    waiting: dict[str, Waiting] = field(default_factory=dict)
    missing: dict[str, float] = field(default_factory=dict)
    looked: tuple[float, float] | None = None
    """Both clocks at the last look."""

    def look(self) -> None:
        """Look at the folder once. Raises StorageFullError or StorageBrokenError; what was done by then stays, the rest
        is done by the next look."""
        wall, clock = self.wall(), self.clock()
        self._own_clock(wall, clock)
        try:
            found = list(walk(self.rule.folder))
        except OSError as error:
            self._lasting("", Finding.UNREACHABLE, error.strerror or str(error))
            self.looked = (wall, clock)
            return
        self._resolved("", Finding.UNREACHABLE)
        seen = {item.path: item for item in found if not self.rule.ignores(item.path)}
        for path, finding in [key for key in self.memory.told if key[1] == Finding.ODD]:
            if path not in seen or not seen[path].odd:
                self._resolved(path, Finding(finding))
        for item in seen.values():
            if item.odd:
                self._lasting(item.path, Finding.ODD, item.odd)
        files = {path: item for path, item in seen.items() if not item.odd}
        self._notice(files, wall, clock)
        self._lost(files, found)
        ready = [path for path, item in self.waiting.items() if self._ready(item, clock)]
        for path in sorted(ready, key=lambda path: (self.waiting[path].print.mtime_ns, path)):
            if self.stopped():
                return
            self._take(path, clock)
        self._gone(files, clock)
        unread = {path for path, finding in self.memory.told if finding == Finding.UNREADABLE}
        if not self.memory.baseline and not set(self.waiting) - unread:
            self._write({"kind": "baseline"})
        self._audit(self.wall())
        self.looked = (wall, clock)

    @property
    def busy(self) -> bool:
        """Is there something to look at again soon?"""
        return bool(self.waiting or self.missing)

    # --- what is new

    def _notice(self, files: dict[str, Seen], wall: float, clock: float) -> None:
        for path, item in files.items():
            known, waiting = self.memory.files.get(path), self.waiting.get(path)
            if known and not known.gone and known.print == item.print:
                self.waiting.pop(path, None)
                continue
            if waiting is None or waiting.print != item.print:
                self.waiting[path] = Waiting(item.print, waiting.first if waiting else clock, clock)
                if self.rule.is_audit(path):
                    before = waiting.print.size if waiting else known.print.size if known else 0
                    if item.print.size > before and self.memory.baseline:
                        self._audit_grew(wall)
                self._source_clock(path, item.print.ctime_ns / SECOND, wall, fresh=not (known or waiting))

    def _ready(self, item: Waiting, clock: float) -> bool:
        return clock - item.since >= self.rule.settle or clock - item.first >= self.rule.patience

    def _take(self, path: str, clock: float) -> None:
        waiting, known = self.waiting[path], self.memory.files.get(path)
        settled = clock - waiting.since >= self.rule.settle
        try:
            fd = open_below(self.rule.folder, path)
        except FileNotFoundError:
            return  # the next look finds it missing
        except OSError as error:
            self._lasting(path, Finding.UNREADABLE, error.strerror or str(error))
            return
        try:
            mark = Print.of(os.fstat(fd))
            if settled and mark != waiting.print:
                return  # written to or exchanged since; the next look sees it
            copy = self.store.take(lambda: os.read(fd, CHUNK), mark.size, known.print.size if known else -1)
            after = Print.of(os.fstat(fd))
        except OSError as error:
            self._lasting(path, Finding.UNREADABLE, error.strerror or str(error))
            return
        finally:
            os.close(fd)
        # another name or another number of links changes only ctime and inode, and no content
        changed = (after.size, after.mtime_ns) != (mark.size, mark.mtime_ns) or copy.size != mark.size
        if changed and settled and clock - waiting.first < self.rule.patience:
            self.store.discard(copy.digest)
            return
        self._resolved(path, Finding.UNREADABLE)
        mark = mark._replace(size=copy.size)
        appended = bool(known and known.print.size <= copy.size and copy.prefix == known.digest)
        self._record(path, mark, copy.digest, known, settled=settled and not changed, appended=appended)

    def _record(
        self, path: str, mark: Print, digest: str, known: Known | None, *, settled: bool, appended: bool
    ) -> None:
        now, tolerance = self.wall(), int(self.rule.tolerance * SECOND)
        future = mark.mtime_ns > now * SECOND + tolerance
        same = bool(known and not known.gone and known.digest == digest)
        if same and known and known.print.mtime_ns == mark.mtime_ns:
            kind, version = "touched", known.version
        else:
            kind, version = "version", known.version + 1 if known else 1
        entry: Entry = {
            "kind": kind,
            "path": path,
            "digest": digest,
            **mark._asdict(),
            "owner": _owner(mark.uid),
            "version": version,
            "previous": known.digest if known else "",
            "settled": settled,
            "appended": appended,
            "baseline": not self.memory.baseline,
            "future": future,
        }
        if self.memory.baseline and self.rule.audit:
            entry |= self._audit_state(path, kind, now)
        # findings come first: a crash in the middle may tell them twice, but never leaves one out
        found = list(self._judge(path, mark, digest, known, future))
        if known and self.rule.is_audit(path) and not appended and not same:
            detail = f"version {version} does not go on from version {version - 1}"
            found.append(_finding(path, Finding.AUDIT_REWRITTEN, detail))
        try:
            self._write(*found, entry)
        except BaseException:
            self.store.discard(digest)
            raise
        del self.waiting[path]
        if not self.store.keep(digest):
            self._find(path, Finding.STORE_DAMAGED, f"a stored copy of {digest} is not what it was")

    def _judge(self, path: str, mark: Print, digest: str, known: Known | None, future: bool) -> Iterator[Entry]:
        tolerance, newest = int(self.rule.tolerance * SECOND), self.memory.newest_ns
        dated = _time(mark.mtime_ns)
        if future:
            yield _finding(path, Finding.FUTURE, f"modified at {dated}")
        if known:
            if mark.mtime_ns < known.print.mtime_ns - tolerance:
                yield _finding(path, Finding.BACKDATED, f"from {_time(known.print.mtime_ns)} to {dated}")
            if mark.size < known.print.size:
                yield _finding(path, Finding.SHRUNK, f"from {known.print.size} to {mark.size} bytes")
            return
        was = self._renamed_from(path, digest)
        if was is not None:
            yield {**_finding(path, Finding.RENAMED, "same content under a new name"), "was": was}
        elif self.memory.baseline and mark.mtime_ns < newest - tolerance:
            yield _finding(path, Finding.BACKDATED, f"new, modified at {dated}, newest was {_time(newest)}")

    def _renamed_from(self, path: str, digest: str) -> str | None:
        files = self.memory.files
        for old in self.missing:
            if old != path and files[old].digest == digest:
                return old
        was = self.memory.gone.get(digest)
        return was if was is not None and files[was].gone and files[was].digest == digest else None

    # --- what is gone

    def _lost(self, files: dict[str, Seen], found: list[Seen]) -> None:
        there = {(item.print.inode, item.print.device) for item in found}
        for path in [path for path in self.waiting if path not in files]:
            mark = self.waiting.pop(path).print
            if (mark.inode, mark.device) not in there:
                self._find(path, Finding.LOST, f"gone before it was copied; {mark.size} bytes", uid=mark.uid)

    def _gone(self, files: dict[str, Seen], clock: float) -> None:
        for path in [path for path in self.missing if path in files or self.memory.files[path].gone]:
            del self.missing[path]
        for path, known in self.memory.files.items():
            if not known.gone and path not in files and not self.rule.ignores(path):
                self.missing.setdefault(path, clock)
        # a rename is a deletion and a new file that still settles: wait for it
        for path, since in list(self.missing.items()):
            least = 2 * self.rule.settle + (self.rule.patience if self.waiting else 0.0)
            if clock - since >= least:
                self._find(path, Finding.DELETED, "no longer in the folder", was=path)
                del self.missing[path]

    # --- clocks

    def _own_clock(self, wall: float, clock: float) -> None:
        if self.looked:
            jump = (wall - self.looked[0]) - (clock - self.looked[1])
            if abs(jump) > self.rule.tolerance:
                self._find("", Finding.CLOCK_JUMP, f"the agent's clock by {jump:+.1f} s")
                self.looked = None

    def _source_clock(self, path: str, changed: float, wall: float, *, fresh: bool) -> None:
        """A change seen since the last look happened between the two: by how much is the source's clock off?"""
        if self.looked is None or not self.memory.baseline:
            return
        skew = min(changed - self.looked[0], 0.0) or max(changed - wall, 0.0)
        if fresh and skew < 0:
            return  # a folder that was moved here brings files that changed before
        if abs(skew - self.memory.skew) > self.rule.tolerance:
            self._find(
                path,
                Finding.CLOCK_JUMP,
                f"the source's clock from {self.memory.skew:+.1f} s to {skew:+.1f} s",
                skew=skew,
            )

    # --- the instrument's own audit trail

    def _audit_grew(self, wall: float) -> None:
        self.memory.audit_at, self.memory.data_at = wall, None
        self._resolved("", Finding.AUDIT_OFF, audit_at=wall, data_at=None)

    def _audit(self, wall: float) -> None:
        since = self.memory.data_at
        if since is not None and wall - since > self.rule.audit_within:
            exists = any(self.rule.is_audit(path) and not known.gone for path, known in self.memory.files.items())
            self._lasting(
                "", Finding.AUDIT_OFF, "data without an entry of it" if exists else f"nothing matches {self.rule.audit}"
            )

    def _audit_state(self, path: str, kind: str, now: float) -> Entry:
        """What the entry of a file says of the instrument's own trail, so that a restart goes on with it."""
        memory = self.memory
        if self.rule.is_audit(path) and memory.audit_at > 0:
            return {"audit_at": memory.audit_at, "data_at": memory.data_at}
        covered = memory.data_at is not None or memory.audit_at >= now - self.rule.audit_within
        return {} if covered or kind != "version" or not self.rule.is_data(path) else {"data_at": now}

    # --- the journal

    def _find(self, path: str, finding: Finding, detail: str, **more: Any) -> None:
        self._write({**_finding(path, finding, detail), **more})

    def _lasting(self, path: str, finding: Finding, detail: str) -> None:
        if self.memory.told.get((path, finding.value)) != detail:
            self._find(path, finding, detail)

    def _resolved(self, path: str, finding: Finding, **more: Any) -> None:
        if (path, finding.value) in self.memory.told:
            self._write({"kind": "resolved", "finding": finding.value, "path": path, **more})

    def _write(self, *entries: Entry) -> None:
        at = datetime.fromtimestamp(self.wall(), UTC).isoformat(timespec="microseconds")
        for entry in self.journal.append(*({"at": at, "instrument": self.rule.name, **entry} for entry in entries)):
            self.memory.fold(entry)


def _finding(path: str, finding: Finding, detail: str) -> Entry:
    return {"kind": "finding", "finding": finding.value, "path": path, "detail": detail}


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def _time(ns: int) -> str:
    try:
        return datetime.fromtimestamp(ns // SECOND, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{ns} ns"
