"""Samples that are a number, a state, a text or an array: each kept as it is, from the driver to the sealed file."""

from __future__ import annotations

import hashlib
import math
import struct
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from baro.edge.assembler import Assembler
from baro.edge.blocks import Block, Kind, samples_batch, samples_columns
from baro.edge.driver import Sample
from baro.edge.state import SourceState
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian
from tests.historian.conftest import START, samples_block, write

VALUES = [1.5, "on", np.array([1.0, 2.5]), 0.0, "", np.array([]), math.nan, "켜짐"]


def mixed(first: int = 1, lot: str = "L1", values: list[object] = VALUES) -> Block:
    seqs = list(range(first, first + len(values)))
    times = [START + timedelta(seconds=s) for s in seqs]
    tags = [f"t{s % 3}" for s in seqs]
    return Block("press-1/tags", Kind.SAMPLES, 1, lot, "", samples_batch(seqs, times, [0] * len(seqs), tags, values))


def old_digest(block: Block) -> bytes:
    """As blocks of numbers were digested from the beginning, row by row."""

    def field(text: str) -> bytes:
        return struct.pack("<I", len(text.encode())) + text.encode()

    columns = {name: block.batch.column(name) for name in block.batch.schema.names}
    parts = [field("baro.samples.1"), field(block.source), field(block.lot)]
    parts.append(struct.pack("<qq", block.epoch, block.count))
    parts.append(np.asarray(columns["seq"].to_pylist(), "<i8").tobytes())
    parts.append(np.asarray(columns["time"].cast(pa.int64()).to_pylist(), "<i8").tobytes())
    parts.append(np.asarray(columns["quality"].to_pylist(), "<u4").tobytes())
    parts.append(np.asarray(columns["value"].to_pylist(), "<f8").tobytes())
    parts += [field(tag) for tag in columns["tag"].to_pylist()]
    return hashlib.sha256(b"".join(parts)).digest()


def test_digests_of_numbers_are_what_they_always_were() -> None:
    block = samples_block(count=100)
    assert block.digests() == [old_digest(block)]
    assert block.batch.schema.names == ["seq", "time", "quality", "tag", "value"]
    part = Block(block.source, block.kind, block.epoch, block.lot, "", block.batch.slice(7, 20))
    assert part.digests() == [old_digest(part)]


def test_arrays_make_the_same_block_as_rows() -> None:
    block = samples_block(count=50)
    columns = block.batch
    names = columns["tag"].dictionary
    made = samples_columns(
        columns["seq"].to_numpy(),
        columns["time"].cast(pa.int64()).to_numpy(),
        columns["quality"].to_numpy(),
        columns["tag"].indices.to_numpy(),
        names,
        columns["value"].to_numpy(),
    )
    assert made.equals(columns)


@pytest.mark.parametrize("changed", [{1: "off"}, {1: 1.0}, {4: "\0"}, {2: np.array([1.0, 2.4])}, {5: np.array([0.0])}])
def test_the_digest_covers_texts_and_arrays(changed: dict[int, object]) -> None:
    values = [changed.get(i, value) for i, value in enumerate(VALUES)]
    assert mixed(values=values).digests() != mixed().digests()


def test_a_text_is_no_number_and_a_number_no_text() -> None:
    columns = mixed().batch
    assert columns["text"].to_pylist() == [None, "on", None, None, "", None, None, "켜짐"]
    assert columns["array"].to_pylist() == [None, None, [1.0, 2.5], None, None, [], None, None]
    assert np.isnan(columns["value"].to_numpy()).tolist() == [False, True, True, False, True, True, True, True]


@pytest.mark.parametrize("value", ["idle", np.array([1.0, math.nan])])
def test_a_new_subscription_repeats_no_text_and_no_array(value: object) -> None:
    assembler = Assembler({}, lambda source: None)
    sample = Sample("s", START, 0, "", "mode", value)
    first = assembler.take([(START, [sample])])
    assembler.adopt(first)
    assembler.states = {name: SourceState.from_json(state.to_json()) for name, state in assembler.states.items()}
    assert [item.count for item in first.items if isinstance(item, Block)] == [1]
    other = sample._replace(value="run" if isinstance(value, str) else np.array([1.0]))
    again = assembler.take([(START, [sample, other])])
    assert [item.count for item in again.items if isinstance(item, Block)] == [1]


def test_what_was_stored_comes_back_hot_and_sealed(
    sink: PostgresSink, historian: Historian, retention: Historian
) -> None:
    write(sink, mixed(), samples_block(first=9, count=9), mixed(first=18, values=[2.0, "x"]))
    hot = historian.samples(lot="L1")
    assert hot.schema.names[-2:] == ["text", "array"]
    (segment,) = historian.seal("L1")
    assert historian.check() == []
    assert retention.drop_hot(segment) == 3
    sealed = historian.samples(lot="L1")
    assert sealed.num_rows == 19
    assert str(sealed.to_pylist()) == str(hot.to_pylist())
    assert historian.check() == []
    assert sorted(filter(None, sealed["text"].to_pylist())) == ["on", "x", "켜짐"]


def test_who_only_has_numbers_gets_no_further_columns(sink: PostgresSink, historian: Historian) -> None:
    write(sink, samples_block())
    assert historian.samples(lot="L1").schema.names == ["source", "epoch", "seq", "time", "quality", "tag", "value"]
