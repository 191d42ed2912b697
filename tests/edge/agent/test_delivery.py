"""The journal on its way to the server: in order, once, whoever dies or is away meanwhile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from baro.edge.agent.config import load
from baro.edge.agent.delivery import Delivery, open_spool
from baro.edge.agent.journal import Journal
from baro.edge.blocks import Axis, Block, Event, Gap, JournalPart
from baro.edge.errors import AgentConfigError, SpoolBrokenError
from baro.edge.spool import carried


class Server:
    """What a server does with a journal. `away`: it does not answer; `refuses`: it never takes these numbers."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.events: list[Event] = []
        self.away = False
        self.refuses: set[int] = set()

    def write_journal(self, part: JournalPart) -> None:
        if self.away:
            raise ConnectionError("nobody there")
        told = [json.loads(line)["n"] for line in part.lines]
        if self.refuses & set(told):
            error = ValueError("not like this")
            error.retryable = False
            raise error
        self.taken += [number for number in told if number not in self.taken]

    def write_event(self, event: Event) -> None:
        self.events.append(event)

    def write_blocks(self, blocks: list[tuple[Block, list[bytes], bytes]]) -> None:
        raise AssertionError

    def write_axis(self, axis: Axis) -> None:
        raise AssertionError

    def write_gap(self, gap: Gap) -> None:
        raise AssertionError

    def last_seq(self, source: str) -> None:
        raise AssertionError


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "storage")
    list(journal.open())
    return journal


def wait(until: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.01)


def write(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append({"kind": "x", "text": f"{number}\n\u202e"})


def delivery(journal: Journal, server: Server, limit: int = 10**6) -> Delivery:
    spool = open_spool(journal.folder.parent / "spool.sqlite", limit)
    made = Delivery("qc", journal, spool, lambda: server, patience=2.0)
    made.start()
    return made


def test_all_entries_come_once_in_order_over_restarts_and_a_server_that_is_away(journal: Journal) -> None:
    server = Server()
    write(journal, 450)
    first = delivery(journal, server)
    first.forward()
    wait(lambda: len(server.taken) == 450)
    server.away = True
    write(journal, 5)
    first.forward()
    first.forward()
    first.close()
    assert server.taken == list(range(1, 451))
    write(journal, 5)
    server.away = False
    second = delivery(journal, server)
    second.forward()
    wait(lambda: len(server.taken) == 460)
    second.close()
    assert server.taken == list(range(1, 461))
    # without its spool it begins from the first entry, which changes nothing
    (journal.folder.parent / "spool.sqlite").unlink()
    third = delivery(journal, server)
    third.forward()
    wait(lambda: third.spool.depth == 0)
    third.close()
    assert server.taken == list(range(1, 461))


def test_a_full_spool_makes_the_journal_wait_and_loses_nothing(journal: Journal) -> None:
    server = Server()
    server.away = True
    write(journal, 300)
    made = delivery(journal, server, limit=60_000)
    made.forward()
    assert 0 < made.spool.depth < 3
    server.away = False
    wait(lambda: made.spool.depth == 0)
    made.forward()
    wait(lambda: len(server.taken) == 300)
    made.close()
    assert server.taken == list(range(1, 301))


def test_what_the_server_never_takes_goes_on_as_an_event_with_its_bytes(journal: Journal) -> None:
    server = Server()
    server.refuses = {2}
    write(journal, 3)
    made = delivery(journal, server)
    made.forward()
    wait(lambda: bool(server.events))
    made.close()
    (event,) = server.events
    assert (event.source, event.payload) == ("qc", (journal.folder / "journal.jsonl").read_bytes().rstrip(b"\n"))
    assert "3 entries of the journal of qc" in event.detail


def test_a_part_of_a_journal_comes_out_of_the_spool_as_it_went_in(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool", 1000)
    part = JournalPart("qc", (b'{"n":1}', b'{"n":2}'))
    spool.append([part], {})
    (entry,) = spool.peek()
    assert (entry.item, carried(entry), spool.used) == (part, b'{"n":1}\n{"n":2}', 15)
    spool.remove([entry])
    assert (spool.depth, spool.used) == (0, 0)
    spool.close()
    (tmp_path / "none").write_bytes(b"not a database" * 100)
    with pytest.raises(SpoolBrokenError):
        open_spool(tmp_path / "none", 1000)


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 65, "-x"])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    rule = f'[[instrument]]\nname = "uv"\nfolder = "{tmp_path}/in"\n'
    (tmp_path / "agent.toml").write_text(f'storage = "{tmp_path}/s"\nagent = {json.dumps(name)}\n{rule}')
    with pytest.raises(AgentConfigError):
        load(tmp_path / "agent.toml")
