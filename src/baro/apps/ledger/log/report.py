"""What a verification of the log says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

MOST_NAMED = 200
"""Findings of one kind that are named one by one; the rest is counted."""


class Check(StrEnum):
    """What is checked, in the order in which it is shown."""

    ENTRIES = "entries"
    """Every entry still gives the hash that was taken into the log."""
    LEAVES = "leaves"
    """No leaf is missing or twice, and none was taken in long after its time."""
    NODES = "nodes"
    """The nodes of every level are the hashes of what is below them."""
    CHECKPOINTS = "checkpoints"
    """Every stored checkpoint is signed by the log's key, and its root is that of the log at its size."""
    OUTSIDE = "outside"
    """The log goes on from the checkpoints that were kept elsewhere."""
    WITNESSES = "witnesses"
    """What witnesses are said to have signed is signed by them."""
    GUARDS = "guards"
    """The triggers that write the trail are in place and switched on."""


class FindingKind(StrEnum):
    CHANGED = "changed"
    """An entry no longer gives its hash: it was changed after it was taken in."""
    DELETED = "deleted"
    """An entry is in the log and no longer in the trail."""
    LEAF_CHANGED = "leaf_changed"
    """The entry is as it was signed; its hash in the table of the log is not."""
    LEAF_MISSING = "leaf_missing"
    """Leaves of the log are missing from its table."""
    INSERTED = "inserted"
    """An entry came into the trail long after the time that it names."""
    NODE = "node"
    """A node is missing, or not the hash of what is below it, or beyond the end of the log."""
    REWRITTEN = "rewritten"
    """Entries are not those of a signed checkpoint: exchanged, inserted, reordered or deleted with their hashes."""
    TRUNCATED = "truncated"
    """A signed checkpoint says that the log was longer than it is."""
    KEY = "key"
    """A checkpoint is not signed by the pinned key: key or signature were replaced."""
    ORIGIN = "origin"
    """A checkpoint is of another log."""
    CHECKPOINT = "checkpoint"
    """A checkpoint is malformed, or its row is not what it says."""
    EMPTY = "empty"
    """A checkpoint of an empty log was offered as evidence: nothing follows from it."""
    WITNESS = "witness"
    """The signature of a witness does not hold."""
    GUARD = "guard"
    """A trigger of the trail is missing or switched off."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. index, last: the leaves it is about, both included. entry: the trail's entry."""

    check: Check
    kind: FindingKind
    detail: str
    index: int | None = None
    last: int | None = None
    entry: int | None = None

    def __str__(self) -> str:
        place = "" if self.index is None else f" {self.index}"
        if self.last is not None and self.last != self.index:
            place += f"-{self.last}"
        entry = "" if self.entry is None else f" (entry {self.entry})"
        return f"{self.kind}{place}{entry}: {self.detail}"


@dataclass
class LogReport:
    """origin, key: the log as it was pinned. size, root: what the log is now. pending: entries that wait to be taken
    in. done: how many things each check looked at. wrong: how many it found. findings: the first of them."""

    origin: str
    key: str
    pinned: bool
    size: int = 0
    root: bytes = b""
    pending: int = 0
    done: Counter[Check] = field(default_factory=Counter)
    wrong: Counter[Check] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    _named: Counter[FindingKind] = field(default_factory=Counter, repr=False)

    @property
    def ok(self) -> bool:
        return not self.wrong

    def add(self, finding: Finding) -> None:
        self.wrong[finding.check] += 1
        self._named[finding.kind] += 1
        if self._named[finding.kind] <= MOST_NAMED:
            self.findings.append(finding)

    def rows(self) -> Iterator[tuple[Check, int, int]]:
        """(check, looked at, wrong) of every check."""
        for check in Check:
            yield check, self.done[check], self.wrong[check]
