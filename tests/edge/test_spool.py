"""The spool keeps what it took, in order, whatever ends the process."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from edge_peers import AXIS, NIR, T0

from baro.edge.blocks import Block, Event, EventKind, Gap, GapReason, Kind, spectra_batch
from baro.edge.errors import SpoolBrokenError, SpoolFullError
from baro.edge.marks import Waiting, Watermark
from baro.edge.spool import Spool
from baro.edge.state import LastSample, OpenGap, SourceState

# appends blocks without end and says each number that is durable
APPENDER = """
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_spool import block
from baro.edge.spool import Spool
from baro.edge.state import SourceState
spool = Spool(Path(sys.argv[1]), 10**9)
seq = 1
while True:
    spool.append([block(seq)], {"press-1/nir": SourceState(last_seq=seq)})
    print(seq, flush=True)
    seq += 1
"""


def block(first: int, count: int = 1, lot: str = "A") -> Block:
    seq = range(first, first + count)
    spectra = np.array([[n, n + 1, n + 2] for n in seq], np.float32)
    batch = spectra_batch(list(seq), [T0] * count, [0] * count, [f"T{n}" for n in seq], spectra)
    return Block(NIR, Kind.SPECTRA, 0, lot, AXIS.digest, batch)


def test_items_and_states_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    gap = Gap(NIR, 1, 3, None, "A", T0, None, GapReason.CONNECTION_LOST)
    event = Event(NIR, EventKind.REFUSED, T0, "7: not finite", b"\x00\x01")
    state = SourceState(
        epoch=2,
        last_seq=9,
        last_time=T0,
        lot="A",
        open_gap=OpenGap(10, T0, "A", GapReason.SPOOL_FULL),
        holes=[(3, 4)],
        recent={(9, T0): None},
        tags={"FillDepth": LastSample(T0, 0, 9.4)},
    )
    spool = Spool(path, 10**6)
    spool.append([AXIS, block(1, 3), gap, event], {NIR: state})
    spool.close()

    spool = Spool(path, 10**6)
    assert spool.states() == {NIR: state}
    entries = spool.peek()
    assert [entry.item for entry in entries if not isinstance(entry.item, Block)] == [AXIS, gap, event]
    stored = entries[1].item
    assert isinstance(stored, Block)
    assert stored.batch == block(1, 3).batch
    assert entries[1].digests == block(1, 3).digests()
    assert spool.depth == 4
    spool.remove(entries[:2])
    assert [entry.item for entry in spool.peek()] == [gap, event]
    assert spool.used == 0
    spool.close()


def test_a_full_spool_may_give_up_its_oldest_blocks_and_a_gap_stands_where_they_stood(tmp_path: Path) -> None:
    size = len(block(1).to_bytes())
    spool = Spool(tmp_path / "spool.db", size * 10, drop_oldest=True)
    event = Event(NIR, EventKind.CONNECTED, T0, "")
    spool.append([block(1), block(2), event, block(3), block(4, lot="B")], {})
    (taken,) = spool.peek(count=1)
    spool.append([block(n, lot="B") for n in range(5, 11)], {})
    spool.append([block(n, lot="B") for n in range(11, 14)], {})
    gap = Gap(NIR, 0, 2, 3, "A", T0, T0, GapReason.SPOOL_FULL)
    assert [entry.item for entry in spool.peek(5) if not isinstance(entry.item, Block)] == [
        gap,
        event,
        replace(gap, first_seq=4, last_seq=5, lot="B"),
    ]
    stored = [entry.item.first_seq for entry in spool.peek(100) if isinstance(entry.item, Block)]
    assert stored == [1, *range(6, 14)], "what is on its way to the sink is not dropped"
    assert spool.used == 9 * size
    assert spool.depth == len(spool.heads()) == 12
    spool.remove([taken])
    with pytest.raises(SpoolFullError):
        spool.append([block(20, 200)], {})
    assert stored[1:] == [entry.item.first_seq for entry in spool.peek(100) if isinstance(entry.item, Block)]
    spool.close()


def test_what_waits_of_each_source_is_counted_whatever_becomes_of_it(tmp_path: Path) -> None:
    path, size = tmp_path / "spool.db", len(block(1).to_bytes())
    spool = Spool(path, size * 10, drop_oldest=True)
    other = replace(block(1, 2), source="room")
    event = Event(NIR, EventKind.CONNECTED, T0, "")
    spool.append([AXIS, block(1), block(2), event, other], {})
    expected = {NIR: Waiting(3, 2, 2 * size), "room": Waiting(1, 2, len(other.to_bytes()))}
    assert spool.waiting() == expected
    spool.close()
    spool = Spool(path, size * 4, drop_oldest=True)
    assert spool.waiting() == expected
    assert spool.delivered() == {}
    (axis, first) = spool.peek(2)
    spool.remove([axis, first], {NIR: Watermark(0, 1, T0)})
    assert spool.waiting()[NIR] == Waiting(2, 1, size)
    (second, *_) = spool.peek()
    spool.replace(second, Gap(NIR, 0, 2, 2, "A", T0, T0, GapReason.REFUSED), event)
    assert spool.waiting()[NIR] == Waiting(3, 0, 0)
    spool.put_aside(spool.peek(1)[0], "no")
    assert spool.waiting()[NIR] == Waiting(2, 0, 0)
    spool.peek(0)
    spool.append([block(3), block(4)], {})
    spool.append([block(5)], {})
    waiting = spool.waiting()
    assert waiting["room"] == Waiting(1, 0, 0), "given up, a gap stands for it"
    assert waiting[NIR] == Waiting(5, 3, 3 * size)
    assert (spool.depth, spool.used) == (6, 3 * size)
    spool.close()
    spool = Spool(path, 10**6)
    assert spool.waiting() == waiting
    assert spool.delivered() == {NIR: Watermark(0, 1, T0)}
    spool.close()


def test_a_spool_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    spool = Spool(path, 10**6)
    spool.append([block(1), AXIS], {})
    spool.close()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            "drop index item_order; alter table item drop column loose; alter table item drop column source;"
            "alter table item drop column observations; drop table delivered"
        )
    spool = Spool(path, 10**6)
    assert spool.waiting() == {NIR: Waiting(1, 1, len(block(1).to_bytes()))}
    assert [(head.source, head.loose) for head in spool.heads()] == [(NIR, False), ("", False)]
    assert spool.depth == 2
    spool.close()


def test_so_much_of_the_disk_stays_free_of_blocks_but_not_of_gaps(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    spool = Spool(tmp_path / "spool.db", 10**9, floor=free + 2**30)
    with pytest.raises(SpoolFullError, match="have to stay free"):
        spool.append([block(1)], {})
    gap = Gap(NIR, 0, 1, None, "A", T0, None, GapReason.SPOOL_FULL)
    spool.append([gap], {})
    assert [entry.item for entry in spool.peek()] == [gap]
    spool.floor = 1
    spool.append([block(1)], {})
    spool.close()


def test_a_file_that_is_no_spool_is_told_as_broken(tmp_path: Path) -> None:
    (tmp_path / "spool.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(SpoolBrokenError):
        Spool(tmp_path / "spool.db", 10**6)


def test_a_full_spool_takes_no_block_and_says_so_but_still_takes_gaps(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", len(block(1).to_bytes()) + 10)
    spool.append([block(1)], {})
    with pytest.raises(SpoolFullError):
        spool.append([block(2)], {NIR: SourceState(last_seq=2)})
    assert spool.states() == {}
    spool.append([Gap(NIR, 0, 2, None, "A", T0, None, GapReason.SPOOL_FULL)], {})
    spool.remove(spool.peek())
    spool.append([block(2)], {})
    assert spool.depth == 1
    spool.close()


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 10**6)
    spool._writer.execute("create trigger broken before insert on source begin select raise(abort, 'no'); end")
    with pytest.raises(SpoolBrokenError, match="no"):
        spool.append([block(1)], {NIR: SourceState()})
    assert spool.peek() == []
    assert spool.depth == 0
    spool.close()


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
def test_kill_9_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    code = [sys.executable, "-c", APPENDER, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = 0
        for line in process.stdout:
            said = int(line)
            if said == 40:
                os.kill(process.pid, signal.SIGKILL)
                break
        said = max([said, *(int(line) for line in process.stdout if line.strip())])
    spool = Spool(path, 10**9)
    stored = [entry.item.first_seq for entry in spool.peek(10_000) if isinstance(entry.item, Block)]
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) in (said, said + 1)
    assert spool.states()[NIR].last_seq == len(stored)
    spool.close()
