"""The whole storage held against its journal: every file hashed again, every link of the chain followed."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

from baro.edge.agent.journal import FIRST, read_entries, read_head
from baro.edge.agent.store import NAME, Store, hash_file
from baro.edge.errors import JournalBrokenError


@dataclass(slots=True)
class Report:
    """`wrong`: kind and what, in order of finding. `head`: number and hash of the last entry, to be kept elsewhere."""

    wrong: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: int = 0
    objects: int = 0
    findings: int = 0
    head: str = f"0:{FIRST}"


def check(folder: Path, pinned: str = "") -> Report:
    """Examine a storage; it may be in use. `pinned`: a head `NUMBER:HASH` that was kept elsewhere."""
    report = Report()
    # what is stored is listed before the journal is read: an entry comes before its object, so none can be ahead
    store = Store(folder)
    stored = list(store.stored())
    sizes: dict[str, int] = {}
    versions: dict[tuple[str, str], tuple[int, str]] = {}
    hashes: dict[int, str] = {}
    wanted = int(pinned.partition(":")[0]) if pinned.partition(":")[0].isdecimal() else 0
    try:
        noted = read_head(folder)
    except JournalBrokenError as error:
        noted = None
        report.wrong.append(("head", str(error)))
    held = {wanted, noted[0] if noted else 0}
    try:
        with open(folder / "journal.jsonl", "rb") as file:
            for entry, digest in read_entries(file):
                report.entries, report.head = entry["n"], f"{entry['n']}:{digest}"
                if entry["n"] in held:
                    hashes[entry["n"]] = digest
                report.findings += entry["kind"] == "finding"
                if "digest" not in entry:
                    continue
                if sizes.setdefault(entry["digest"], entry.get("size", -1)) == -1:
                    sizes[entry["digest"]] = entry.get("size", -1)
                if entry["kind"] == "version":
                    key = entry["instrument"], entry["path"]
                    number, previous = versions.get(key, (0, ""))
                    if (entry["version"], entry["previous"]) != (number + 1, previous):
                        report.wrong.append(("version", f"entry {entry['n']}: {entry['path']!a}"))
                    versions[key] = entry["version"], entry["digest"]
            size = file.tell()
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    report.notes.append("the last entry is unfinished; the next start takes it away")
    except FileNotFoundError:
        report.wrong.append(("chain", "there is no journal"))
    except (JournalBrokenError, KeyError, TypeError) as error:
        report.wrong.append(("chain", str(error)))
    if noted and hashes.get(noted[0]) != noted[1]:
        report.wrong.append(("head", f"entry {noted[0]} as noted is not in the journal"))
    if pinned and hashes.get(wanted) != pinned.partition(":")[2]:
        report.wrong.append(("head", f"{pinned} is not in the journal"))
    _objects(store, sizes, stored, report)
    return report


def _objects(store: Store, sizes: dict[str, int], stored: list[Path], report: Report) -> None:
    examined: set[Path] = set()
    for digest, size in sizes.items():
        if not NAME.fullmatch(str(digest)):
            report.wrong.append(("chain", f"{digest!a} is no digest"))
            continue
        copies = store.copies(digest)
        if not copies:
            report.wrong.append(("missing", digest))
        for copy in copies:
            examined.add(copy)
            try:
                found, length = hash_file(copy)
                mode = stat.S_IMODE(copy.stat().st_mode)
            except FileNotFoundError:  # moved to its place meanwhile
                if store.copies(digest):
                    continue
                report.wrong.append(("missing", digest))
                continue
            except OSError as error:
                report.wrong.append(("unreadable", f"{digest}: {error.strerror}"))
                continue
            report.objects += 1
            if found != digest or (size >= 0 and length != size):
                report.wrong.append(("changed", copy.name))
            if mode != 0o444:
                report.wrong.append(("mode", f"{copy.name}: {mode:o}"))
    for path in stored:
        if path not in examined:
            report.wrong.append(("stranger", repr(str(path.relative_to(store.objects)))))
