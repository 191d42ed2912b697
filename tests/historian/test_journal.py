"""Journals of agents in the historian: once, in order, only what follows; and every change is named."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from baro.edge.agent.journal import FIRST, Journal
from baro.edge.agent.store import Store
from baro.edge.blocks import JournalPart
from baro.historian.check_journal import FileFindingKind, FilesReport
from baro.historian.errors import ChainBroken, ContentConflict, Malformed
from baro.historian.journal import facts
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

AT = "2026-03-01T08:00:00.000000+00:00"
HOSTILE = [
    b"line\nbreak",
    b"\xff\xfe not utf-8",
    "\u202egpj.exe".encode(),
    b"a" * 255,
    b"quote\"'\\",
    b"x" * 200 + b"/" + b"y" * 255,
]


def lines(*entries: dict[str, object], first: int = 1, prev: str = FIRST) -> list[bytes]:
    out = []
    for number, entry in enumerate(entries, first):
        line = json.dumps({"n": number, "prev": prev, "at": AT, "instrument": "uv-1", **entry}).encode()
        prev = hashlib.sha256(line).hexdigest()
        out.append(line)
    return out


def version(path: str, content: bytes = b"1", **more: object) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    known: dict[str, object] = {"kind": "version", "path": path, "digest": digest, "size": len(content), "version": 1}
    return {**known, "previous": "", "appended": False, "mtime_ns": 1_700_000_000_000_000_000, **more}


def numbers(historian: Historian) -> int:
    return sum(head.number for head in historian.journal_heads())


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_entries_are_stored_once_in_order_and_only_behind_the_one_they_follow(
    sink: PostgresSink, historian: Historian
) -> None:
    told = lines(*(version(str(n)) for n in range(10)))
    sink.write_journal(JournalPart("qc", tuple(told[:4])))
    sink.write_journal(JournalPart("qc", tuple(told[:4])))
    sink.write_journal(JournalPart("qc", tuple(told[2:7])))
    with pytest.raises(ChainBroken):
        sink.write_journal(JournalPart("qc", tuple(told[8:])))
    other = lines(version("else"), first=3, prev=hashlib.sha256(told[1]).hexdigest())
    with pytest.raises(ContentConflict):
        sink.write_journal(JournalPart("qc", tuple(other)))
    foreign = lines(version("else"), first=8, prev="1" * 64)
    with pytest.raises(ChainBroken):
        sink.write_journal(JournalPart("qc", tuple(foreign)))
    sink.write_journal(JournalPart("qc-2", tuple(told[:1])))
    found = historian.check_files({})
    assert (found.wrong, found.entries) == ([], 8)
    assert [(head.agent, head.number) for head in historian.journal_heads()] == [("qc", 7), ("qc-2", 1)]
    assert historian.journal_heads()[0].hash == hashlib.sha256(told[6]).hexdigest()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"n": 1}',
        b"[" * 100_000,
        *(
            json.dumps({"n": 1, "prev": FIRST, "at": AT, "kind": "version"} | wrong).encode()
            for wrong in (
                {"n": True},
                {"n": -1},
                {"prev": "x"},
                {"at": "yesterday"},
                {"at": "2026-03-01T08:00:00"},
                {"digest": "../../etc/passwd"},
                {"size": 2**63},
                {"size": "1"},
                {"path": "a\0b"},
                {"path": 1},
            )
        ),
    ],
)
def test_what_is_no_entry_is_refused(sink: PostgresSink, historian: Historian, line: bytes) -> None:
    with pytest.raises(Malformed):
        sink.write_journal(JournalPart("qc", (line,)))
    assert historian.journal_heads() == []


def test_a_hole_within_a_part_is_refused(sink: PostgresSink) -> None:
    told = lines(*(version(str(n)) for n in range(3)))
    for wrong in ((), (told[0], told[2]), (told[1], told[0])):
        with pytest.raises(Malformed):
            sink.write_journal(JournalPart("qc", wrong))


def test_a_changed_original_is_a_finding_and_a_grown_one_is_not() -> None:
    before = hashlib.sha256(b"1").hexdigest()
    cases = {
        (before, False): "changed",
        (before, True): "",
        ("", False): "",
        (hashlib.sha256(b"2").hexdigest(), False): "",
    }
    for (previous, appended), finding in cases.items():
        (line,) = lines(version("x", b"2", previous=previous, appended=appended))
        assert facts(line).finding == finding
    (line,) = lines(version("x", mtime_ns=10**30))
    assert facts(line).modified_at is None


def test_names_of_any_bytes_come_through(sink: PostgresSink, historian: Historian, tmp_path: Path) -> None:
    told = lines(*(version(os.fsdecode(name)) for name in HOSTILE))
    sink.write_journal(JournalPart("qc", tuple(told)))
    assert historian.check_files({}).wrong == []
    for line, name in zip(told, HOSTILE, strict=True):
        assert os.fsencode(json.loads(facts(line).line)["path"]) == name


@pytest.fixture
def delivered(sink: PostgresSink, tmp_path: Path) -> Path:
    """A storage with four files, its journal delivered."""
    store, journal = Store(tmp_path / "storage"), Journal(tmp_path / "storage")
    list(journal.open())
    store.prepare()
    for number in range(4):
        content = [f"content {number}".encode()]
        copy = store.take(lambda content=content: content.pop() if content else b"", 1000, -1)
        journal.append({"at": AT, "instrument": "uv-1", **version(str(number), f"content {number}".encode())})
        store.keep(copy.digest)
    journal.close()
    told = (tmp_path / "storage" / "journal.jsonl").read_bytes().splitlines()
    sink.write_journal(JournalPart("qc", tuple(told)))
    return tmp_path / "storage"


def place(storage: Path, number: int) -> Path:
    digest = hashlib.sha256(f"content {number}".encode()).hexdigest()
    return storage / "objects" / digest[:2] / digest


def found(report: FilesReport) -> list[tuple[FileFindingKind, int]]:
    return [(finding.kind, finding.number) for finding in report.wrong]


@pytest.mark.clause("Part 11 11.10(a)", "Annex 11 7.1", "별표 9 4.3")
def test_every_change_of_journal_and_files_is_named(
    historian: Historian, company: UUID, delivered: Path, tamper: Callable[..., None]
) -> None:
    stores = {"qc": delivered}
    report = historian.check_files(stores)
    assert (report.wrong, report.entries, report.files, report.notes) == ([], 4, 4, [])
    assert historian.check_files({}).notes

    file = place(delivered, 1)
    file.chmod(0o644)
    good = file.read_bytes()
    file.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    report = historian.check_files(stores)
    assert found(report) == [(FileFindingKind.CHANGED, 2)]
    assert "uv-1 1 version 1" in str(report.wrong[0])
    file.unlink()
    assert found(historian.check_files(stores)) == [(FileFindingKind.MISSING, 2)]
    file.write_bytes(good)

    own = delivered / "journal.jsonl"
    text = own.read_bytes()
    own.write_bytes(text.replace(b'"path":"2"', b'"path":"3"'))
    assert found(historian.check_files(stores)) == [(FileFindingKind.JOURNAL, 3)]
    own.write_bytes(b"".join(text.splitlines(keepends=True)[:2]))
    assert found(historian.check_files(stores)) == [(FileFindingKind.JOURNAL, 3)]
    own.write_bytes(text + b"and more that is still on its way\n")
    assert found(historian.check_files(stores)) == []

    here = " WHERE company_id = %s AND number = 3"
    for change, kind in {
        "path = 'other'": FileFindingKind.ENTRY,
        "digest = repeat('0', 64)": FileFindingKind.ENTRY,
        "line = replace(line, '\"2\"', '\"4\"')": FileFindingKind.ENTRY,
        "previous = repeat('0', 64)": FileFindingKind.CHAIN,
        "hash = repeat('0', 64)": FileFindingKind.ENTRY,
    }.items():
        tamper("CREATE TABLE kept AS SELECT * FROM historian_journal")
        try:
            tamper(f"UPDATE historian_journal SET {change}{here}", company)
            named = found(historian.check_files(stores))
            assert (kind, 3) in named, (change, named)
        finally:
            columns = "path, digest, line, previous, hash"
            tamper(
                f"UPDATE historian_journal j SET ({columns}) ="
                f" (SELECT {columns} FROM kept k WHERE k.id = j.id) WHERE company_id = %s",
                company,
            )
            tamper("DROP TABLE kept")
    assert found(historian.check_files(stores)) == []
    tamper(f"DELETE FROM historian_journal{here}", company)
    assert (FileFindingKind.CHAIN, 4) in found(historian.check_files(stores))
