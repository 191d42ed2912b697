"""Bodies of blocks give back what went in, whatever the numbers; those of earlier versions too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baro.edge.blocks import Block, Kind, samples_batch, samples_columns, spectra_batch
from baro.edge.state import from_us
from baro.edge.steps import batch_from_bytes

NAMES = pa.array(["force", "speed"])
INT64 = st.integers(-(2**63), 2**63 - 1)


def samples(seq: list[int], time: list[int]) -> pa.RecordBatch:
    count = len(seq)
    tag, value = np.arange(count, dtype=np.int32) % 2, np.round(np.sin(np.arange(count)), 3)
    return samples_columns(
        np.array(seq, np.int64), np.array(time, np.int64), np.zeros(count, np.uint32), tag, NAMES, value
    )


def body(batch: pa.RecordBatch, kind: Kind = Kind.SAMPLES) -> bytes:
    return Block("press-1/tags", kind, 1, "L1", "", batch).to_bytes()


def earlier(batch: pa.RecordBatch) -> bytes:
    """As bodies of samples were written at first."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@given(st.lists(st.tuples(INT64, INT64), max_size=20))
def test_any_numbers_and_times_come_back(rows: list[tuple[int, int]]) -> None:
    batch = samples([seq for seq, _ in rows], [time for _, time in rows])
    found = batch_from_bytes(body(batch))
    assert found.equals(batch, check_metadata=True)
    found.validate(full=True)


def test_a_part_of_a_batch_is_packed_as_that_part() -> None:
    batch = samples(list(range(1, 101)), list(range(0, 1000, 10)))
    assert batch_from_bytes(body(batch.slice(7, 20))).equals(batch.slice(7, 20))


def test_texts_and_arrays_come_back() -> None:
    values = [1.5, "on", np.array([1.0, 2.5])]
    batch = samples_batch([1, 2, 5], [from_us(at) for at in (0, 7, 3)], [0, 0, 0], ["a", "b", "a"], values)
    found = batch_from_bytes(body(batch))
    assert found.schema == batch.schema
    assert found["text"].equals(batch["text"])
    assert found["array"].equals(batch["array"])
    assert found["time"].equals(batch["time"])


def test_any_reader_of_arrow_finds_steps_and_their_names() -> None:
    batch = samples([5, 6, 7, 9], [100, 90, 90, 95])
    with pa.ipc.open_stream(body(batch)) as reader:
        stored = reader.read_next_batch()
    assert stored.schema.metadata == {b"baro.steps": b"seq,time"}
    assert stored["seq"].to_pylist() == [5, 1, 1, 2]
    assert stored["time"].cast(pa.int64()).to_pylist() == [100, -10, 0, 5]


def test_bodies_of_earlier_versions_are_read() -> None:
    batch = samples([5, 6, 7, 9], [100, 90, 90, 95])
    assert batch_from_bytes(earlier(batch)).equals(batch, check_metadata=True)


@pytest.mark.parametrize("columns", [[1, 2, 3, 4], [3, 4], [0]])
@pytest.mark.parametrize("pack", [body, earlier])
def test_single_columns_are_read(columns: list[int], pack: object) -> None:
    batch = samples([5, 6, 7, 9], [100, 90, 90, 95])
    assert batch_from_bytes(pack(batch), columns).equals(batch.select(columns))


def test_spectra_lie_in_their_body_as_they_are() -> None:
    matrix = np.random.default_rng(1).normal(1, 0.2, (3, 8)).astype(np.float32)
    batch = spectra_batch([1, 2, 3], [from_us(at) for at in (1, 2, 3)], [0] * 3, ["a", "b", "c"], matrix)
    packed = body(batch, Kind.SPECTRA)
    assert matrix.tobytes() in packed
    assert batch_from_bytes(packed).equals(batch, check_metadata=True)


def test_steps_of_a_column_that_is_not_there_are_refused() -> None:
    batch = samples([1, 2], [1, 2]).select(["quality", "tag", "value"])
    with pytest.raises(KeyError):
        batch_from_bytes(earlier(batch.replace_schema_metadata({"baro.steps": "seq"})))


def test_steps_that_are_missing_are_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"seq": pa.array([1, None], pa.int64())})
    with pytest.raises(pa.ArrowInvalid):
        batch_from_bytes(earlier(batch.replace_schema_metadata({"baro.steps": "seq"})))
