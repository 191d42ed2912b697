"""What the agent finds at the source, and the memory of it: the journal folded."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from baro.edge.agent.journal import Entry
from baro.edge.agent.source import Print


class Finding(StrEnum):
    """Kinds of findings. What each means is in the how-to."""

    DELETED = "deleted"
    RENAMED = "renamed"
    BACKDATED = "backdated"
    FUTURE = "future"
    SHRUNK = "shrunk"
    CLOCK_JUMP = "clock_jump"
    AUDIT_OFF = "audit_off"
    AUDIT_REWRITTEN = "audit_rewritten"
    LOST = "lost"
    ODD = "odd"
    UNREADABLE = "unreadable"
    UNREACHABLE = "unreachable"
    STORE_DAMAGED = "store_damaged"
    RECOVERED = "recovered"


@dataclass(slots=True)
class Known:
    """The newest version of a path."""

    version: int
    digest: str
    print: Print
    gone: bool = False


@dataclass(slots=True)
class Memory:
    """What the journal says of one instrument. `told`: findings that last, by path and kind, told once."""

    files: dict[str, Known] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    """The path that a content was deleted at, while it has come back nowhere."""
    newest_ns: int = 0
    baseline: bool = False
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    skew: float = 0.0
    data_at: float | None = None
    """Since when data wait for the instrument's own audit trail to grow."""
    audit_at: float = float("-inf")
    """When the instrument's own audit trail grew last."""

    def fold(self, entry: Entry) -> None:
        """Take in the next entry of this instrument."""
        kind = entry["kind"]
        if kind in ("version", "touched"):
            mark = Print(*(entry[name] for name in Print._fields))
            self.files[entry["path"]] = Known(entry["version"], entry["digest"], mark)
            if not entry["future"]:
                self.newest_ns = max(self.newest_ns, mark.mtime_ns)
        elif kind == "baseline":
            self.baseline = True
        elif kind == "resolved":
            self.told.pop((entry["path"], entry["finding"]), None)
        elif kind == "finding":
            finding, path = entry["finding"], entry["path"]
            if finding in LASTING:
                self.told[path, finding] = entry["detail"]
            if finding in (Finding.DELETED, Finding.RENAMED):
                gone = self.files.get(entry["was"])
                if gone:
                    gone.gone = True
                    if finding == Finding.DELETED:
                        self.gone[gone.digest] = entry["was"]
                    else:  # it has a new name now; the next one with this content is a copy
                        self.gone.pop(gone.digest, None)
            elif finding == Finding.CLOCK_JUMP and "skew" in entry:
                self.skew = entry["skew"]
        if "data_at" in entry:
            self.data_at = entry["data_at"]
        if "audit_at" in entry:
            self.audit_at = entry["audit_at"]


LASTING = frozenset({Finding.ODD, Finding.UNREADABLE, Finding.UNREACHABLE, Finding.AUDIT_OFF})
