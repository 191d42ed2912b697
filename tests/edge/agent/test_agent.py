"""The agent of stand-alone instruments: every version kept, everything odd found, whatever the names."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baro.edge.agent.check import check
from baro.edge.agent.config import AgentConfig, load
from baro.edge.agent.service import Agent, run
from baro.edge.errors import AgentConfigError, AgentRunningError, JournalBrokenError, StorageFullError

SETTLE = 0.02


class Bench:
    """A folder, a storage, and an agent on them whose clocks can be set on."""

    def __init__(self, base: Path, **rule: Any) -> None:
        self.folder = base / "folder"
        self.storage = base / "storage"
        self.folder.mkdir()
        self.file = base / "agent.toml"
        rules = {"settle": SETTLE, "patience": 5.0, "tolerance": 60.0, **rule}
        lines = [f"storage = {json.dumps(str(self.storage))}", "[[instrument]]", 'name = "hplc-1"']
        lines += [f"folder = {json.dumps(str(self.folder))}", *(f"{k} = {json.dumps(v)}" for k, v in rules.items())]
        self.file.write_text("\n".join(lines))
        self.wall = 0.0
        self.clock = 0.0
        self.agent = self.start()

    @property
    def config(self) -> AgentConfig:
        return load(self.file)

    def start(self) -> Agent:
        self.agent = Agent(self.config, lambda: time.time() + self.wall, lambda: time.monotonic() + self.clock)
        return self.agent

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.clock += seconds

    def settle(self) -> None:
        """Look until nothing is left to do."""
        end = time.monotonic() + 10
        self.agent.look()
        while self.agent.watchers[0].busy:
            time.sleep(SETTLE)
            self.agent.look()
            assert time.monotonic() < end

    def write(self, name: str, content: bytes, mtime: float | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def entries(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.storage / "journal.jsonl").read_bytes().splitlines()
        return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]

    def findings(self) -> list[tuple[str, str]]:
        return [(entry["finding"], entry["path"]) for entry in self.entries("finding")]

    def content(self, digest: str) -> bytes:
        return (self.storage / "objects" / digest[:2] / digest).read_bytes()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.settle()
    yield made
    made.agent.close()


@pytest.mark.clause("Part 11 11.10(c)", "Part 11 11.10(e)", "별표 9 4.1", "별표 9 4.5")
def test_every_version_is_kept_with_digest_owner_time_and_path(bench: Bench) -> None:
    for content in (b"one", b"one, two", b"three, quite another"):
        bench.write("run/a.dat", content)
        bench.settle()
    versions = bench.entries("version")
    assert [entry["version"] for entry in versions] == [1, 2, 3]
    assert [bench.content(entry["digest"]) for entry in versions] == [b"one", b"one, two", b"three, quite another"]
    assert [entry["appended"] for entry in versions] == [False, True, False]
    assert [entry["previous"] for entry in versions] == ["", versions[0]["digest"], versions[1]["digest"]]
    status = (bench.folder / "run/a.dat").stat()
    last = versions[-1]
    assert (last["path"], last["size"], last["mtime_ns"]) == ("run/a.dat", status.st_size, status.st_mtime_ns)
    assert (last["uid"], last["owner"], last["instrument"]) == (
        status.st_uid,
        (bench.folder / "run/a.dat").owner(),
        "hplc-1",
    )
    assert last["at"].endswith("+00:00")
    assert bench.findings() == []
    place = bench.storage / "objects" / last["digest"][:2] / last["digest"]
    assert place.stat().st_mode & 0o777 == 0o444
    assert check(bench.storage).wrong == []


@pytest.mark.clause("Part 11 11.10(e)", "별표 9 4.5")
def test_what_is_wrong_at_the_source_is_found(bench: Bench) -> None:
    now = time.time()
    for name in ("deleted", "renamed", "backdated", "shrunk"):
        bench.write(name, f"content of {name}".encode(), now)
    bench.settle()
    assert bench.findings() == []
    (bench.folder / "deleted").unlink()
    (bench.folder / "renamed").rename(bench.folder / "other name")
    bench.write("backdated", b"written again, dated before", now - 3600)
    bench.write("shrunk", b"less", now)
    bench.write("future", b"x", now + 3600)
    bench.write("new and old", b"y", now - 3600)
    bench.settle()
    assert sorted(bench.findings()) == [
        ("backdated", "backdated"),
        ("backdated", "new and old"),
        ("deleted", "deleted"),
        ("future", "future"),
        ("renamed", "other name"),
        ("shrunk", "shrunk"),
    ]
    assert [entry["was"] for entry in bench.entries("finding") if entry["finding"] == "renamed"] == ["renamed"]
    deleted = next(entry for entry in bench.entries("version") if entry["path"] == "deleted")
    assert bench.content(deleted["digest"]) == b"content of deleted"
    before = len(bench.findings())
    bench.agent.close()
    bench.start()
    bench.settle()
    assert len(bench.findings()) == before, "a restart tells nothing twice"


def test_a_file_that_comes_back_elsewhere_later_is_renamed(bench: Bench) -> None:
    path = bench.write("a", b"content")
    bench.settle()
    path.unlink()
    bench.settle()
    bench.write("b", b"content")
    bench.settle()
    bench.write("c", b"content")  # a copy of what is there
    bench.settle()
    assert bench.findings() == [("deleted", "a"), ("renamed", "b")]


def test_same_content_dated_back_is_found(bench: Bench) -> None:
    path = bench.write("a", b"content")
    bench.settle()
    os.utime(path, (1e9, 1e9))
    bench.settle()
    assert bench.findings() == [("backdated", "a")]
    assert len(bench.entries("version")) == 2


def test_a_change_that_hides_its_time_and_size_is_found(bench: Bench) -> None:
    path = bench.write("a", b"content")
    bench.settle()
    status = path.stat()
    bench.write("a", b"CONTENT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    bench.settle()
    assert [bench.content(entry["digest"]) for entry in bench.entries("touched") + bench.entries("version")]
    assert [entry["version"] for entry in bench.entries("version")] == [1, 2]


def test_files_that_were_there_first_are_no_findings(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("old", b"old", 1e9)
    bench.write("new", b"new")
    bench.settle()
    assert bench.findings() == []
    assert [entry["path"] for entry in bench.entries("version")] == ["old", "new"]
    assert all(entry["baseline"] for entry in bench.entries("version"))
    bench.agent.close()


def test_clock_jumps_are_found(bench: Bench) -> None:
    bench.write("a", b"1")
    bench.settle()
    bench.wall += 7200  # the agent's clock alone
    bench.settle()
    assert bench.entries("finding")[-1]["finding"] == "clock_jump"
    assert "agent's clock by +7200" in bench.entries("finding")[-1]["detail"]
    bench.write("a", b"12")
    bench.settle()
    last = bench.entries("finding")[-1]
    assert last["finding"] == "clock_jump"
    assert last["skew"] == pytest.approx(-7200, abs=5)
    count = len(bench.findings())
    bench.write("a", b"123")
    bench.settle()
    assert len(bench.findings()) == count, "the same offset is no second jump"


@pytest.mark.clause("Part 11 11.10(e)", "별표 9 4.5")
def test_an_instrument_whose_own_trail_is_off_is_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, audit="audit/*.log", audit_within=100.0, data=["*.dat"])
    bench.write("audit/1.log", b"start\n")
    bench.settle()
    bench.write("audit/1.log", b"start\nrun 1\n")
    bench.write("1.dat", b"1")
    bench.settle()
    bench.pass_time(90)
    bench.write("note.txt", b"no data")
    bench.settle()
    assert bench.findings() == []
    bench.pass_time(1000)
    bench.write("2.dat", b"2")
    bench.settle()
    bench.pass_time(101)
    bench.agent.close()
    bench.start()  # it remembers what it waits for
    bench.settle()
    assert ("audit_off", "") in bench.findings()
    bench.settle()
    assert [name for name, _ in bench.findings()].count("audit_off") == 1
    bench.write("audit/1.log", b"start\nrun 1\nrun 2\n")
    bench.settle()
    assert [entry["finding"] for entry in bench.entries("resolved")] == ["audit_off"]
    bench.write("audit/1.log", b"start\nrun X\nrun 2\nrun 3\n")
    bench.settle()
    assert ("audit_rewritten", "audit/1.log") in bench.findings()
    bench.agent.close()


HOSTILE = [
    b"line\nbreak\rand\x1b[31mcolour",
    "\u202egnp.exe".encode(),
    b"..hidden",
    b"...",
    b"-rf *",
    b"\xff\xfe not utf-8 \xc3",
    b"n" * 255,
    b'"quoted\\" {json}',
    "시험 성적서.csv".encode(),
    b" ",
]


@pytest.mark.clause("별표 9 4.1")
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_hostile_names_are_stored_without_loss(bench: Bench, name: bytes) -> None:
    path = os.path.join(os.fsencode(bench.folder), name)
    with open(path, "wb") as file:
        file.write(b"content")
    bench.settle()
    (entry,) = bench.entries("version")
    assert os.fsencode(entry["path"]) == name
    assert bench.content(entry["digest"]) == b"content"
    assert check(bench.storage).wrong == []
    bench.agent.close()
    bench.start()
    bench.settle()
    assert len(bench.entries("version")) == 1
    os.unlink(path)
    bench.settle()
    assert bench.findings() == [("deleted", entry["path"])]


def test_paths_longer_than_the_system_takes_in_one_go(bench: Bench) -> None:
    fd = os.open(bench.folder, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    file = os.open("deep", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(file, b"deep")
    os.close(file)
    os.close(fd)
    bench.settle()
    (entry,) = bench.entries("version")
    assert len(entry["path"]) > 5000
    assert bench.content(entry["digest"]) == b"deep"


def test_links_and_pipes_are_reported_and_not_followed(bench: Bench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"secret")
    (bench.folder / "link").symlink_to(secret / "key")
    (bench.folder / "folder").symlink_to(secret)
    os.mkfifo(bench.folder / "pipe")
    bench.settle()
    bench.settle()
    assert sorted(bench.findings()) == [("odd", "folder"), ("odd", "link"), ("odd", "pipe")]
    assert str(secret / "key") in bench.entries("finding")[1]["detail"]
    assert bench.entries("version") == []
    assert list((bench.storage / "objects").rglob("*")) == []


def test_a_half_written_file_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settle=30.0, patience=100.0)
    bench.settle()
    with open(bench.folder / "a", "wb", buffering=0) as file:
        for _ in range(5):
            file.write(b"x" * 10)
            bench.agent.look()
            bench.pass_time(20)
        assert bench.entries("version") == []
        file.write(b"x" * 10)
        bench.agent.look()
    (entry,) = bench.entries("version")
    assert (entry["size"], entry["settled"]) == (60, False)
    bench.write("b", b"done")
    bench.agent.look()
    bench.pass_time(31)
    bench.agent.look()
    assert bench.entries("version")[-1]["settled"] is True
    bench.agent.close()


def test_a_file_that_vanishes_before_it_is_copied_is_a_finding(bench: Bench) -> None:
    path = bench.write("short", b"life")
    kept = bench.write("name.tmp", b"kept")
    bench.agent.look()
    path.unlink()
    kept.rename(bench.folder / "name.dat")
    bench.settle()
    assert bench.findings() == [("lost", "short")]
    assert [entry["path"] for entry in bench.entries("version")] == ["name.dat"]


def test_a_folder_that_is_away_is_no_deletion(bench: Bench) -> None:
    bench.write("a", b"content")
    bench.settle()
    away = bench.folder.rename(bench.folder.with_name("away"))
    bench.settle()
    bench.settle()
    away.rename(bench.folder)
    bench.settle()
    assert bench.findings() == [("unreachable", "")]
    assert [entry["finding"] for entry in bench.entries("resolved")] == ["unreachable"]


@pytest.mark.clause("별표 9 4.12")
def test_no_room_leaves_nothing_half_written_and_is_tried_again(bench: Bench) -> None:
    bench.write("large", os.urandom(3 << 20))
    bench.agent.look()
    time.sleep(2 * SETTLE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    length = (bench.storage / "journal.jsonl").stat().st_size
    for limit in (1 << 20, length + 10):  # in the middle of the copy; in the middle of the entry
        if limit < 1 << 20:
            bench.write("large", b"small enough, but not its entry")
            bench.agent.look()
            time.sleep(2 * SETTLE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limits[1]))
        try:
            with pytest.raises(StorageFullError):
                bench.agent.watchers[0].look()
            assert bench.agent.look() == 5.0
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert list((bench.storage / "incoming").iterdir()) == []
        assert (bench.storage / "journal.jsonl").stat().st_size == length
        assert check(bench.storage).wrong == []
    bench.settle()
    (entry,) = bench.entries("version")
    assert bench.content(entry["digest"]) == b"small enough, but not its entry"
    assert check(bench.storage).wrong == []


def test_large_files_go_through_in_pieces(bench: Bench) -> None:
    digest = hashlib.sha256()
    with open(bench.folder / "large", "wb") as file:
        for _ in range(40):
            chunk = os.urandom(1 << 20) + b"x"
            digest.update(chunk)
            file.write(chunk)
    bench.settle()
    (entry,) = bench.entries("version")
    assert (entry["digest"], entry["size"]) == (digest.hexdigest(), 40 * ((1 << 20) + 1))
    assert check(bench.storage).wrong == []


def tamper_content(bench: Bench, place: Path) -> str:
    place.chmod(0o644)
    place.write_bytes(b"forged!")
    place.chmod(0o444)
    return "changed"


def tamper_mode(bench: Bench, place: Path) -> str:
    place.chmod(0o644)
    return "mode"


def tamper_remove(bench: Bench, place: Path) -> str:
    place.unlink()
    return "missing"


def tamper_add(bench: Bench, place: Path) -> str:
    place.with_name("ab" * 32).write_bytes(b"never seen")
    return "stranger"


def tamper_line(bench: Bench, place: Path) -> str:
    journal = bench.storage / "journal.jsonl"
    journal.write_bytes(
        journal.read_bytes().replace(b'"owner":"root"', b'"owner":"r00t"').replace(b'"path":"a"', b'"path":"z"')
    )
    return "chain"


def tamper_last(bench: Bench, place: Path) -> str:
    journal = bench.storage / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1].replace(b'"path":"b"', b'"path":"c"'))
    return "head"


def tamper_cut(bench: Bench, place: Path) -> str:
    journal = bench.storage / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    return "head"


@pytest.mark.clause("Part 11 11.10(a)", "Annex 11 7.1", "별표 9 4.3")
@pytest.mark.parametrize(
    "tamper",
    [tamper_content, tamper_mode, tamper_remove, tamper_add, tamper_line, tamper_last, tamper_cut],
    ids=lambda tamper: tamper.__name__,
)
def test_the_check_names_what_is_wrong(bench: Bench, tamper: Any) -> None:
    bench.write("a", b"content")
    bench.write("b", b"another")
    bench.settle()
    clean = check(bench.storage)
    assert clean.wrong == []
    assert check(bench.storage, clean.head).wrong == []
    entry = bench.entries("version")[0]
    kind = tamper(bench, bench.storage / "objects" / entry["digest"][:2] / entry["digest"])
    assert kind in {found for found, _ in check(bench.storage).wrong}
    bench.agent.close()
    if kind in ("chain", "head"):
        with pytest.raises(JournalBrokenError):
            bench.start()


def test_a_journal_cut_with_its_head_is_told_by_one_kept_elsewhere(bench: Bench) -> None:
    bench.write("a", b"content")
    bench.settle()
    kept = check(bench.storage).head
    tamper_cut(bench, bench.storage)
    (bench.storage / "head").unlink()
    assert "head" in {kind for kind, _ in check(bench.storage, kept).wrong}


def test_a_damaged_copy_is_left_and_a_good_one_put_beside_it(bench: Bench) -> None:
    bench.write("a", b"content")
    bench.settle()
    digest = bench.entries("version")[0]["digest"]
    place = bench.storage / "objects" / digest[:2] / digest
    tamper_content(bench, place)
    bench.write("b", b"content")
    bench.settle()
    assert ("store_damaged", "b") in bench.findings()
    assert place.read_bytes() == b"forged!"
    assert place.with_name(f"{digest}.1").read_bytes() == b"content"


@pytest.mark.clause("별표 9 4.3")
@pytest.mark.parametrize("point", ["copying", "copied", "writing the entry", "entry written"])
def test_a_crash_at_each_step_is_put_in_order_by_the_next_start(bench: Bench, point: str) -> None:
    bench.write("a", b"content")
    bench.settle()
    bench.agent.close()
    digest = bench.entries("version")[0]["digest"]
    place, waiting = bench.storage / "objects" / digest[:2] / digest, bench.storage / "incoming" / digest
    journal, head = bench.storage / "journal.jsonl", bench.storage / "head"
    lines = journal.read_bytes().splitlines(keepends=True)
    place.rename(waiting if point != "copying" else waiting.with_name("part-1-1"))
    if point != "entry written":
        last = next(n for n, line in enumerate(lines) if b'"kind":"version"' in line)
        rest = lines[last][:40] if point == "writing the entry" else b""
        journal.write_bytes(b"".join(lines[:last]) + rest)
        head.write_text(f"{last} {hashlib.sha256(lines[last - 1][:-1]).hexdigest()}")
    assert check(bench.storage).wrong == []
    bench.start()
    bench.settle()
    assert check(bench.storage).wrong == []
    assert check(bench.storage).notes == []
    assert bench.content(digest) == b"content"
    assert list((bench.storage / "incoming").iterdir()) == []
    assert [entry["path"] for entry in bench.entries("version")] == ["a"]
    expected = {"copying": 0, "copied": 1, "writing the entry": 2, "entry written": 0}[point]
    assert bench.findings() == [("recovered", "")] * expected


def test_one_agent_at_a_time(bench: Bench) -> None:
    with pytest.raises(AgentRunningError):
        Agent(bench.config)


@pytest.mark.parametrize(
    "text",
    [
        "storage = 1",
        "not toml",
        "storage = '/s'",
        "storage = '/s'\n[[instrument]]\nname = 'a'\nfolder = 'below'",
        "storage = '/s'\n[[instrument]]\nname = 'a'\nfolder = '/s/x'",
        "storage = '/s'\n[[instrument]]\nname = 'a'\nfolder = '/f'\nsettle = -1",
        "storage = '/s'\n[[instrument]]\nname = 'a'\nfolder = '/f'\nfolders = '/f'",
        "storage = '/s'\n[[instrument]]\nname = 'a'\nfolder = '/f'\n[[instrument]]\nname = 'a'\nfolder = '/g'",
    ],
)
def test_settings_that_cannot_be_used_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(text)
    with pytest.raises(AgentConfigError):
        load(file)


def test_it_wakes_when_something_stirs(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.agent.close()
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(bench.config, stop))
    thread.start()
    try:
        end = time.monotonic() + 20
        while not bench.entries("baseline"):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.5)
        bench.write("a", b"content")
        end = time.monotonic() + 20  # a regular look would come after a minute
        while not bench.entries("version"):
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
