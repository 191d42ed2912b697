"""What the agent is told: one storage, and a rule for each instrument, in a TOML file."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from baro.edge.errors import AgentConfigError

AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What an agent may be called whose journal is delivered."""


@dataclass(frozen=True, slots=True)
class InstrumentRule:
    """An instrument and its folder. Times are seconds; patterns are of paths below the folder, `*` matches `/` too."""

    name: str
    folder: str
    data: tuple[str, ...] = ("*",)
    ignore: tuple[str, ...] = ()
    audit: str = ""
    audit_within: float = 300.0
    settle: float = 1.0
    patience: float = 60.0
    tolerance: float = 120.0
    polling: bool = False

    def ignores(self, path: str) -> bool:
        """Is the file left out by the rule?"""
        return any(fnmatchcase(path, pattern) for pattern in self.ignore)

    def is_audit(self, path: str) -> bool:
        """Is the file the instrument's own audit trail?"""
        return bool(self.audit) and fnmatchcase(path, self.audit)

    def is_data(self, path: str) -> bool:
        """Is the file one of measurements?"""
        return not self.is_audit(path) and any(fnmatchcase(path, pattern) for pattern in self.data)


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """`rescan`: seconds between two looks at a folder when nothing wakes the agent. `digest`: of the file read.
    `agent`: the name under which the journal is delivered; empty: it is not."""

    storage: Path
    rescan: float
    instruments: tuple[InstrumentRule, ...]
    digest: str
    agent: str = ""

    def on_record(self) -> dict[str, Any]:
        """What the journal keeps of the settings at every start."""
        return {
            "config": self.digest,
            "agent": self.agent,
            "rescan": self.rescan,
            "rules": [asdict(rule) for rule in self.instruments],
        }


def load(path: Path) -> AgentConfig:
    """Read the file. Raises AgentConfigError, which names what is wrong."""
    try:
        data = path.read_bytes()
        content = tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AgentConfigError(f"{path}: {error}") from error
    unknown = set(content) - {"storage", "rescan", "instrument", "agent"}
    if unknown:
        raise AgentConfigError(f"unknown: {', '.join(sorted(unknown))}")
    storage = _text(content, "storage")
    agent = _text(content, "agent") if "agent" in content else ""
    if agent and not AGENT.fullmatch(agent):
        raise AgentConfigError("agent is a name of at most 64 letters, digits, points and hyphens")
    tables = content.get("instrument")
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise AgentConfigError("at least one [[instrument]] is needed")
    rules = tuple(_rule(table) for table in tables)
    if len({rule.name for rule in rules}) != len(rules):
        raise AgentConfigError("two instruments have the same name")
    place = Path(storage).resolve()
    for rule in rules:
        folder = Path(rule.folder).resolve()
        if place == folder or place.is_relative_to(folder) or folder.is_relative_to(place):
            raise AgentConfigError(f"{rule.name}: folder and storage lie in each other")
    return AgentConfig(place, _seconds(content, "rescan", 60.0), rules, hashlib.sha256(data).hexdigest(), agent)


def _rule(table: dict[str, Any]) -> InstrumentRule:
    unknown = set(table) - set(InstrumentRule.__dataclass_fields__)
    if unknown:
        raise AgentConfigError(f"unknown: {', '.join(sorted(unknown))}")
    audit, polling = table.get("audit", ""), table.get("polling", False)
    if not isinstance(audit, str) or not isinstance(polling, bool):
        raise AgentConfigError("audit is a text, polling is true or false")
    folder = _text(table, "folder")
    if not folder.startswith("/"):
        raise AgentConfigError(f"folder is not a whole path: {folder}")
    return InstrumentRule(
        name=_text(table, "name"),
        folder=folder,
        data=_patterns(table, "data", ("*",)),
        ignore=_patterns(table, "ignore", ()),
        audit=audit,
        audit_within=_seconds(table, "audit_within", 300.0),
        settle=_seconds(table, "settle", 1.0),
        patience=_seconds(table, "patience", 60.0),
        tolerance=_seconds(table, "tolerance", 120.0),
        polling=polling,
    )


def _text(table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise AgentConfigError(f"{key} is a text that is not empty")
    return value


def _seconds(table: dict[str, Any], key: str, default: float) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise AgentConfigError(f"{key} is a number of seconds above 0")
    return float(value)


def _patterns(table: dict[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = table.get(key, list(default))
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise AgentConfigError(f"{key} is a list of patterns")
    return tuple(value)
