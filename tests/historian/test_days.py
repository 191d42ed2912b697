"""A day is sealed, verified, dropped and gives the same answers; what comes late makes a new version."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest

from baro.edge.blocks import Block, Kind, samples_batch
from baro.historian import days as days_module
from baro.historian.errors import Damaged
from baro.historian.findings import FindingKind
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian, TagRef
from tests.historian.conftest import START, spectra_block, write

DAY = START.date()
LATER = datetime(2100, 1, 1, tzinfo=UTC)
SOURCE = "press-1/tags"


def plant_block(first: int, count: int = 60, at: datetime = START, *, source: str = SOURCE, seed: int = 0) -> Block:
    """Samples of five tags, each once a second: a walk, a setpoint, a counter, one with all its digits, a text."""
    rng = np.random.default_rng(seed + first)
    seqs = list(range(first, first + count))
    walk, values, quality = 50.0, list[object](), []
    for s in seqs:
        walk += rng.normal(0, 0.1)
        kinds = [round(walk, 3), 80.0, float(s), rng.normal(), "run" if s % 7 else "stop"]
        values.append(kinds[s % 5])
        quality.append(0x80000000 if s % 11 == 0 else 0)
    tags = [("walk", "setpoint", "counter", "raw", "mode")[s % 5] for s in seqs]
    times = [at + timedelta(milliseconds=200 * (s - 1)) for s in seqs]
    return Block(source, Kind.SAMPLES, 1, "", "", samples_batch(seqs, times, quality, tags, values))


def answers(historian: Historian) -> list[object]:
    """What was asked of a day in many ways, as text where NaN is to equal itself."""
    start, end = START - timedelta(hours=1), START + timedelta(hours=2)
    refs = [TagRef(SOURCE, tag) for tag in ("walk", "setpoint", "counter", "raw", "mode")]
    found: list[object] = [str(historian.samples(start=start, end=end).to_pylist())]
    for how in ("raw", "minmax", "lttb", "first", "last", "count", "time_mean", "interpolated", "duration_good"):
        for points in (7, 300):
            for trace in historian.traces(refs, start, end, points, how):
                columns = (trace.time, trace.low, trace.high, trace.quality_worst)
                found.append((how, points, trace.tag, str([column.tolist() for column in columns])))
                found.append(np.round(trace.value, 9).tolist().__repr__())
    return found


@pytest.mark.clause("Annex 11 4.8", "Annex 11 7.1")
def test_a_day_is_sealed_verified_dropped_and_answers_the_same(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    write(sink, *(plant_block(1 + 60 * i) for i in range(6)), spectra_block(lot=""), plant_block(1, source="other"))
    hot = answers(historian)
    assert historian.seal_hot(LATER) == 8
    assert {segment.reason for segment in historian.segments()} == {"part"}
    assert answers(historian) == hot
    write(sink, *(plant_block(361 + 60 * i) for i in range(6)))
    hot = answers(historian)
    assert historian.seal_hot(LATER) == 6
    assert answers(historian) == hot
    assert historian.compact(DAY) == 0
    assert historian.compact(DAY + timedelta(days=1)) == 2
    assert answers(historian) == hot
    assert historian.check() == []
    segments = historian.segments()
    assert sorted((s.reason, s.source, s.count) for s in segments if s.kind is Kind.SAMPLES) == [
        ("day", "other", 60),
        ("day", SOURCE, 720),
    ]
    assert sum(retention.drop_hot(segment) for segment in segments) == 14
    assert not any(block.hot for block in historian.blocks())
    assert answers(historian) == hot
    assert historian.check() == []
    assert len(historian.spectra(source="press-1/nir")) == 20
    assert historian.compact(DAY + timedelta(days=1)) == 0


def test_late_data_make_a_new_version(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    write(sink, plant_block(1), plant_block(121))
    historian.seal_hot(LATER)
    historian.compact(DAY + timedelta(days=1))
    (first,) = historian.segments()
    content = (lake / first.path).read_bytes()
    retention.drop_hot(first)
    write(sink, plant_block(61))
    hot = answers(historian)
    historian.seal_hot(LATER)
    assert answers(historian) == hot
    assert historian.compact(DAY + timedelta(days=1)) == 1
    (second,) = historian.segments()
    assert (second.reason, second.count, second.first_seq, second.last_seq) == ("late", 180, 1, 180)
    assert answers(historian) == hot
    # the version before is as it was, known to the catalogue, and checked until it is removed
    assert (lake / first.path).read_bytes() == content
    (lake / first.path).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (finding,) = historian.check()
    assert (finding.kind, finding.place) == (FindingKind.BYTES, first.path)


@pytest.mark.clause("Annex 11 7.1", "별표 9 4.3")
@pytest.mark.parametrize("seed", range(3))
def test_any_flipped_byte_of_a_day_is_found_and_named(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path, seed: int
) -> None:
    write(sink, *(plant_block(1 + 60 * i) for i in range(3)))
    historian.seal_hot(LATER)
    historian.compact(DAY + timedelta(days=1))
    (segment,) = historian.segments()
    rng = np.random.default_rng(seed)
    for path in (lake / segment.path, lake / (segment.path.removesuffix("parquet") + "arrow")):
        content = path.read_bytes()
        for at in rng.integers(0, len(content), 12).tolist():
            path.write_bytes(content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :])
            findings = historian.check()
            named = str(path.relative_to(lake))
            assert [f for f in findings if f.kind is FindingKind.BYTES and named in (f.place, f.detail)]
            assert {f.place for f in findings} == {segment.path}
            with pytest.raises(Damaged):
                retention.drop_hot(segment)
        path.write_bytes(content)
    assert historian.check() == []
    (lake / segment.path).unlink()
    assert {f.kind for f in historian.check()} == {FindingKind.FILE_MISSING}


def test_any_reader_of_parquet_gets_the_values(sink: PostgresSink, historian: Historian, lake: Path) -> None:
    block = plant_block(1, 300)
    write(sink, block)
    historian.seal_hot(LATER)
    historian.compact(DAY + timedelta(days=1))
    (segment,) = historian.segments()
    table = pq.read_table(lake / segment.path)
    assert table.schema.names == ["epoch", "seq", "time", "quality", "tag", "number", "scale", "value", "text"]
    expected = dict(zip(block.batch["seq"].to_pylist(), block.batch["value"].to_pylist(), strict=True))
    assert table["tag"].to_pylist() == sorted(table["tag"].to_pylist())
    for row in table.to_pylist():
        value = row["value"] if row["number"] is None else row["number"] / 10.0 ** row["scale"]
        assert str(value) == str(expected[row["seq"]])
    scales = {row["tag"]: row["scale"] for row in table.to_pylist()}
    assert scales == {"walk": 3, "setpoint": 0, "counter": 0, "raw": 0, "mode": 0}


def test_a_block_over_midnight_belongs_to_the_day_it_began(sink: PostgresSink, historian: Historian) -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    before = midnight - timedelta(seconds=6)
    write(sink, plant_block(1, 60, before), plant_block(61, 60, before))
    historian.seal_hot(LATER)
    assert [(s.day, s.count) for s in historian.segments()] == [(date(2026, 3, 1), 60), (date(2026, 3, 2), 60)]
    of_day = historian.samples(start=midnight, end=midnight + timedelta(days=1))
    assert of_day.num_rows == 120 - 30
    historian.compact(date(2026, 3, 3))
    again = historian.samples(start=midnight, end=midnight + timedelta(days=1))
    assert str(again.to_pylist()) == str(of_day.to_pylist())


def test_an_hour_that_comes_twice_by_the_clock_is_two_hours(sink: PostgresSink, historian: Historian) -> None:
    # Berlin, 2025-10-26: 02:30 comes twice by the clock, and is 00:30 and 01:30 in UTC
    early, late = (datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1))
    write(sink, plant_block(1, 50, early), plant_block(51, 50, late))
    historian.seal_hot(LATER)
    historian.compact(date(2025, 10, 27))
    (segment,) = historian.segments()
    assert segment.count == 100
    (trace,) = historian.traces([TagRef(SOURCE, "counter")], early, late + timedelta(hours=1), 3, "count")
    assert trace.value.tolist() == [9.0, 9.0]  # one of each ten is bad


def test_what_is_too_new_stays_hot(sink: PostgresSink, historian: Historian) -> None:
    write(sink, plant_block(1))
    assert historian.seal_hot(datetime.now(UTC) - timedelta(minutes=5)) == 0
    assert historian.seal_hot(datetime.now(UTC) + timedelta(minutes=5)) == 1


def test_many_tags_are_put_together_in_chunks(
    sink: PostgresSink, historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days_module, "_CHUNK", 50)
    for i in range(4):
        write(sink, plant_block(1 + 60 * i))
        historian.seal_hot(LATER)
    hot = answers(historian)
    historian.compact(DAY + timedelta(days=1))
    assert answers(historian) == hot
    assert historian.check() == []


def test_replaced_files_go_only_behind_a_sound_later_version(
    sink: PostgresSink, historian: Historian, lake: Path
) -> None:
    write(sink, plant_block(1))
    historian.seal_hot(LATER)
    write(sink, plant_block(61))
    now = datetime(2026, 3, 3, tzinfo=UTC)
    assert historian.tend(datetime.now(UTC) + timedelta(hours=1), timedelta(minutes=5)) == (1, 1)
    assert len(list(lake.rglob("*.parquet"))) == 3
    hot = answers(historian)
    assert historian.remove_replaced(now) == (0, [])
    (day,) = historian.segments()
    content = (lake / day.path).read_bytes()
    (lake / day.path).write_bytes(content[:-9] + b"x" + content[-8:])
    removed, kept = historian.remove_replaced(LATER)
    assert (removed, len(kept)) == (0, 2)
    (lake / day.path).write_bytes(content)
    assert historian.remove_replaced(LATER) == (2, [])
    assert historian.remove_replaced(LATER) == (0, [])
    assert len(list(lake.rglob("*.*"))) == 2
    assert historian.check() == []
    assert answers(historian) == hot


_SEALER = """
import sys, uuid
from datetime import UTC, date, datetime
from pathlib import Path
from baro.historian.store import Historian

url, company, lake = sys.argv[1:]
with Historian(url, uuid.UUID(company), Path(lake)) as historian:
    print("ready", flush=True)
    sys.stdin.readline()
    historian.seal_hot(datetime(2100, 1, 1, tzinfo=UTC))
    historian.compact(date(2100, 1, 1))
    print("done", flush=True)
"""


def test_killed_while_sealing_leaves_nothing_half(
    sink: PostgresSink, historian: Historian, app_url: str, company: UUID, lake: Path
) -> None:
    rng = np.random.default_rng(7)
    for i in range(4):
        write(sink, *(plant_block(1 + 600 * i + 60 * j) for j in range(10)))
        hot = str(historian.samples(start=START, end=START + timedelta(days=1)).to_pylist())
        arguments = [sys.executable, "-c", _SEALER, app_url, str(company), str(lake)]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as sealer:
            assert sealer.stdout is not None
            assert sealer.stdin is not None
            assert sealer.stdout.readline() == "ready\n"
            sealer.stdin.write("go\n")
            sealer.stdin.flush()
            time.sleep(float(rng.uniform(0.0, 0.25)))
            sealer.send_signal(signal.SIGKILL)
        assert str(historian.samples(start=START, end=START + timedelta(days=1)).to_pylist()) == hot
        assert historian.check() == []
    historian.seal_hot(LATER)
    historian.compact(DAY + timedelta(days=1))
    assert historian.check() == []
    known = {segment.path for segment in historian.segments()}
    assert known <= {str(path.relative_to(lake)) for path in lake.rglob("*.parquet")}


def test_the_command_names_a_flipped_byte(
    sink: PostgresSink, historian: Historian, server_url: str, company: UUID, lake: Path, tmp_path: Path
) -> None:
    write(sink, plant_block(1))
    historian.seal_hot(LATER)
    historian.compact(DAY + timedelta(days=1))
    (segment,) = historian.segments()
    with psycopg.connect(server_url, autocommit=True) as admin:
        # without the tables of people, the company has its id for its code
        admin.execute(
            "CREATE OR REPLACE FUNCTION people_company_id(code text) RETURNS uuid LANGUAGE sql AS 'SELECT code::uuid';"
            " GRANT EXECUTE ON FUNCTION people_company_id(text) TO PUBLIC"
        )
    environment = os.environ | {
        "BARO_HOME": str(tmp_path),
        "BARO_DATABASE_URL": server_url,
        "BARO_COMPANY": str(company),
    }

    def verify() -> tuple[int, str]:
        command = [sys.executable, "-m", "baro", "verify", "observations"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert verify() == (0, "1 sealed files of 60 observations, 0 findings\n")
    content = (lake / segment.path).read_bytes()
    (lake / segment.path).write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    status, told = verify()
    assert status == 1
    assert f"DAMAGED bytes {segment.path} {SOURCE} 1:1-60" in told
