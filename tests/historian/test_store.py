"""Reads: hot, sealed, and both together give the same answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baro.database.context import Context
from baro.edge.blocks import Axis, Block, Event, EventKind, Kind, spectra_batch
from baro.historian.errors import AxesDiffer, Damaged, SealedFileMissing, UnknownAxis
from baro.historian.ranges import Runs, as_text, minus, numbers, positions, runs
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian, SpectraTable

from .conftest import NIR, START, samples_block, spectra_block, write


def assert_same(a: SpectraTable, b: SpectraTable) -> None:
    assert (a.source, a.sample, a.axis) == (b.source, b.sample, b.axis)
    for name in ("epoch", "seq", "time", "quality", "spectra", "digests"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_spectra_come_back_as_they_were_written(sink: PostgresSink, historian: Historian) -> None:
    blocks = [spectra_block(1, 5), spectra_block(6, 7)]
    write(sink, *blocks)
    table = historian.spectra(lot="L1")
    np.testing.assert_array_equal(table.spectra, np.concatenate([b.spectra() for b in blocks]))
    assert table.spectra.dtype == np.float32
    assert [bytes(d) for d in table.digests] == [d for b in blocks for d in b.digests()]
    assert table.seq.tolist() == list(range(1, 13))
    assert table.sample[:2] == ["T001", "T002"]
    assert table.time[1] - table.time[0] == np.timedelta64(500, "ms")
    assert table.time.dtype == np.dtype("datetime64[us]")
    assert (table.axis, set(table.source), set(table.epoch.tolist())) == (NIR.digest, {"press-1/nir"}, {1})


def test_nothing_is_an_empty_table(historian: Historian) -> None:
    assert len(historian.spectra(lot="none")) == 0
    assert historian.samples(lot="none").num_rows == 0
    assert len(historian.downsampled("force", "none").time) == 0
    assert (
        historian.blocks() == historian.lots() == historian.gaps() == historian.events() == historian.segments() == []
    )
    with pytest.raises(UnknownAxis):
        historian.axis("0" * 64)


def test_spectra_are_ordered_by_source_epoch_and_seq(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(1, 3, epoch=2), spectra_block(seqs=[4, 9]), spectra_block(seqs=[5, 6, 12]))
    write(sink, spectra_block(1, 2, source="press-0/nir"))
    table = historian.spectra(lot="L1")
    got = list(zip(table.source, table.epoch.tolist(), table.seq.tolist(), strict=True))
    assert got == sorted(got)
    assert len(got) == 10
    assert [s[-1] for s in table.sample[2:]] == ["4", "5", "6", "9", "2", "1", "2", "3"]


def test_after_and_limit(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(seqs=[1, 2, 8, 9]), spectra_block(seqs=[4, 5, 6]), spectra_block(10, 5, lot="L2"))
    write(sink, spectra_block(1, 4, epoch=2, lot="L2"))
    everything = [(1, s) for s in (1, 2, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14)] + [(2, s) for s in (1, 2, 3, 4)]

    def keys(**asked: object) -> list[tuple[int, int]]:
        table = historian.spectra(source="press-1/nir", **asked)
        return list(zip(table.epoch.tolist(), table.seq.tolist(), strict=True))

    historian.seal("L1")
    for after in [None, *everything]:
        rest = everything if after is None else [k for k in everything if k > after]
        for limit in (None, 1, 3, 5, 100):
            assert keys(after=after, limit=limit) == rest[:limit]


@pytest.mark.clause("Annex 11 4.8")
def test_sealing_and_dropping_change_no_answer(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    write(sink, spectra_block(1, 30), spectra_block(seqs=[31, 35, 36]), spectra_block(seqs=[33, 34]))
    write(sink, spectra_block(1, 10, epoch=2), samples_block(1, 50), samples_block(51, 25))
    write(sink, spectra_block(100, 5, lot="L2"), samples_block(100, 5, lot="L2"))

    def answers() -> tuple:
        return (
            historian.spectra(lot="L1"),
            historian.spectra(source="press-1/nir", after=(1, 34), limit=4),
            historian.samples(lot="L1"),
            historian.samples(start=START + timedelta(seconds=40), end=START + timedelta(seconds=60), tags=["feed"]),
            historian.downsampled("force", "L1", 10),
            historian.gaps(),
            [(b.first_seq, b.digest) for b in historian.blocks("L1")],
        )

    before = answers()
    segments = historian.seal("L1")
    sealed = answers()
    assert sum(retention.drop_hot(segment) for segment in segments) == 6
    assert not any(block.hot for block in historian.blocks("L1"))
    write(sink, spectra_block(1, 30), samples_block(1, 50))  # a replay still falls away
    for after in (sealed, answers()):
        assert_same(before[0], after[0])
        assert_same(before[1], after[1])
        assert before[2].equals(after[2])
        assert before[3].equals(after[3])
        np.testing.assert_array_equal(before[4].value, after[4].value)
        assert before[5:] == after[5:]
    assert sink.last_seq("press-1/nir") == (2, 10)
    lots = {lot.lot: lot for lot in historian.lots()}
    assert (lots["L1"].spectra, lots["L1"].samples, lots["L1"].sealed) == (45, 75, True)
    assert (lots["L2"].spectra, lots["L2"].samples, lots["L2"].sealed) == (5, 5, False)
    assert lots["L1"].sources == ("press-1/nir", "press-1/tags")


def test_samples_by_lot_time_and_tag(sink: PostgresSink, historian: Historian) -> None:
    write(sink, samples_block(1, 30), samples_block(31, 30, lot="L2"))
    table = historian.samples(start=START + timedelta(seconds=20), end=START + timedelta(seconds=40), tags=["feed"])
    assert table["seq"].to_pylist() == list(range(20, 40, 3))
    assert set(table["tag"].to_pylist()) == {"feed"}
    assert historian.samples(lot="L2")["seq"].to_pylist() == [*range(32, 61, 3), *range(33, 61, 3), *range(31, 61, 3)]
    assert historian.samples(lot="L1", tags=["none"]).num_rows == 0
    assert historian.samples().num_rows == 60


@pytest.mark.clause("Annex 11 4.8")
def test_samples_keep_every_bit(sink: PostgresSink, historian: Historian, retention: Historian) -> None:
    odd = np.array([0x7FF8000000000001, 0xFFF8000000000000, 0x8000000000000000, 0, 1], dtype=np.uint64).view(np.float64)
    write(sink, samples_block(3, 5, values=odd.tolist()))
    (segment,) = historian.seal("L1")
    retention.drop_hot(segment)
    table = historian.samples(lot="L1").sort_by("seq")
    np.testing.assert_array_equal(table["value"].to_numpy().view(np.uint64), odd.view(np.uint64))


def test_spectra_keep_every_bit(sink: PostgresSink, historian: Historian, retention: Historian) -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 3 * len(NIR), dtype=np.uint32)
    batch = spectra_batch([1, 2, 3], [START] * 3, [0] * 3, ["a", "b", "c"], bits.view(np.float32).reshape(3, -1))
    write(sink, Block("press-1/nir", Kind.SPECTRA, 1, "L1", NIR.digest, batch))
    retention.drop_hot(historian.seal("L1")[0])
    np.testing.assert_array_equal(historian.spectra(lot="L1").spectra.view(np.uint32).ravel(), bits)
    assert historian.check() == []


def test_downsampling_keeps_the_extremes_of_each_span(sink: PostgresSink, historian: Historian) -> None:
    values = np.random.default_rng(3).normal(size=900).round(3).tolist()
    write(sink, samples_block(1, 900, values=values))
    table = historian.samples(lot="L1", tags=["speed"])
    full = historian.downsampled("speed", "L1", 1000)
    assert full.value.tolist() == table["value"].to_pylist()
    few = historian.downsampled("speed", "L1", 20)
    assert 10 < len(few.time) <= 20
    assert np.all(np.diff(few.time) > np.timedelta64(0))
    assert set(zip(few.time.tolist(), few.value.tolist(), strict=True)) <= set(
        zip(full.time.tolist(), full.value.tolist(), strict=True)
    )
    assert (few.value.min(), few.value.max()) == (full.value.min(), full.value.max())


def test_spectra_of_several_axes_are_not_one_table(sink: PostgresSink, historian: Historian) -> None:
    other = Axis(tuple(np.linspace(1000.0, 1900.0, 30)))
    sink.write_axis(other)
    write(sink, spectra_block(), spectra_block(source="press-2/nir", axis=other))
    with pytest.raises(AxesDiffer):
        historian.spectra(lot="L1")
    assert historian.spectra(lot="L1", source="press-2/nir").spectra.shape == (20, 30)


def test_events(sink: PostgresSink, historian: Historian) -> None:
    for minute, kind in enumerate(EventKind):
        sink.write_event(Event("press-1/nir", kind, START + timedelta(minutes=minute), "detail", bytes([minute])))
    found = historian.events(start=START + timedelta(minutes=1), end=START + timedelta(minutes=3))
    assert [e.kind for e in found] == list(EventKind)[1:3]
    assert found[0].payload == b"\x01"
    assert historian.events(source="press-2/nir") == []


def test_other_companies_read_nothing(sink: PostgresSink, app_url: str, lake: Path) -> None:
    write(sink, spectra_block(), samples_block())
    with Historian(app_url, uuid4(), lake) as other:
        assert other.blocks() == []
        assert len(other.spectra(lot="L1")) == 0


def test_in_a_transaction_of_the_caller(sink: PostgresSink, app_url: str, company: UUID, lake: Path) -> None:
    write(sink, spectra_block())
    with psycopg.connect(app_url) as connection:
        historian = Historian(connection, company, lake)
        assert historian.blocks() == []  # no context, no rows
        Context(company, actor="kim", reason="release").apply(connection)
        assert len(historian.spectra(lot="L1")) == 20
        assert historian.seal("L1")
        historian.close()
        kept = connection.execute("SELECT current_setting('baro.actor'), current_setting('baro.reason')").fetchone()
        assert kept == ("kim", "release")
        connection.rollback()
    with Historian(app_url, company, lake) as own:
        assert own.segments() == []  # it was rolled back, and the file left behind does not count
        assert len(own.spectra(lot="L1")) == 20
        assert len(own.seal("L1")) == 1


def test_what_cannot_be_read_is_an_error(
    sink: PostgresSink, historian: Historian, lake: Path, tamper: Callable[..., None], company: UUID
) -> None:
    write(sink, spectra_block(), spectra_block(lot="L2", first=21))
    tamper("UPDATE historian_block SET body = '\\x00' WHERE company_id = %s AND lot = 'L1'", company)
    with pytest.raises(Damaged):
        historian.spectra(lot="L1")
    (segment,) = historian.seal("L2")
    (lake / segment.path).unlink()
    with pytest.raises(SealedFileMissing):
        historian.spectra(lot="L2")
    tamper("UPDATE historian_block SET body = NULL, digests = NULL WHERE company_id = %s AND lot = 'L1'", company)
    with pytest.raises(SealedFileMissing):
        historian.spectra(lot="L1")


NUMBERS = st.sets(st.integers(0, 60)).map(sorted)


@given(NUMBERS, NUMBERS)
def test_runs(some: list[int], others: list[int]) -> None:
    made: Runs = runs(np.array(some, np.int64))
    assert numbers(made).tolist() == some
    assert as_text(made).count("[") == len(made)
    rising = np.array(others, np.int64)
    assert rising[positions(made, rising)].tolist() == sorted(set(some) & set(others))
    assert numbers(minus((10, 50), made)).tolist() == sorted(set(range(10, 51)) - set(some))
