"""Blocks: the form in which observations travel from a driver to the disk.

A block is a run of observations of one source, in the order the source served them, as one Arrow
record batch. Blocks are cut where the lot changes, so a block belongs to one lot or to none.

Two schemas exist in the plant so far:

``spectra``  seq int64 · time timestamp[us, UTC] · quality uint32 · sample string · spectrum list<float>[p]
``samples``  seq int64 · time timestamp[us, UTC] · quality uint32 · tag dictionary<string> · value double,
             and only where a row needs them: text string · array list<double>

A sample is a number (a state is a number whose labels the tag knows), a text, or an array of numbers. In the rows of
a text or an array ``value`` is NaN; ``text`` and ``array`` are null in all other rows.

``time`` is the event time given by the device; the record time is set by the historian on arrival.
``quality`` is the OPC UA status code (0 = Good).
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.steps import body_of_samples, body_of_spectra

GOOD = 0
UTC_US = pa.timestamp("us", tz="UTC")
Value = float | str | npt.NDArray[np.float64]
"""What one sample may be: a number or state, a text, an array of numbers (1-D)."""

OPTIONAL: dict[str, pa.DataType] = {"text": pa.string(), "array": pa.list_(pa.float64())}
"""Columns of samples that are there only when a row needs them."""


class Kind(StrEnum):
    """What the rows of a block are."""

    SPECTRA = "spectra"
    SAMPLES = "samples"


class GapReason(StrEnum):
    """Why sequence numbers that a source served, or may have served, are not stored."""

    CONNECTION_LOST = "connection_lost"
    COLLECTOR_STOPPED = "collector_stopped"
    SEQUENCE_JUMP = "sequence_jump"
    REFUSED = "refused"
    SPOOL_FULL = "spool_full"
    TRANSFER_LOST = "transfer_lost"


class EventKind(StrEnum):
    """Things a source did that an inspector should be able to read later."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    REPEATED_SEQUENCE = "repeated_sequence"
    LATE_SEQUENCE = "late_sequence"
    COUNTER_RESET = "counter_reset"
    CLOCK_JUMP = "clock_jump"
    CLOCK_OFFSET = "clock_offset"
    TRANSFER_GAP = "transfer_gap"
    REFUSED = "refused"
    LOT_STARTED = "lot_started"
    LOT_ENDED = "lot_ended"


@dataclass(frozen=True, slots=True)
class Axis:
    """A spectral axis, known everywhere by its digest.

    values: shape (p,), strictly monotonic, in `unit` (``nm``, ``cm-1``).
    """

    values: tuple[float, ...]
    unit: str = "nm"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over unit and values as little-endian float64."""
        body = self.unit.encode() + b"\0" + np.asarray(self.values, dtype="<f8").tobytes()
        return hashlib.sha256(body).hexdigest()

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Block:
    """A run of observations of one source. See the module's docstring for the columns of `batch`.

    `epoch` counts the restarts of the source's own counter: (source, epoch, seq) names one
    observation for ever. `lot` is the lot number the equipment reported, "" when there was none.
    `axis` is the digest of the spectral axis, "" for samples.
    """

    source: str
    kind: Kind
    epoch: int
    lot: str
    axis: str
    batch: pa.RecordBatch

    @property
    def first_seq(self) -> int:
        return int(self.batch.column("seq")[0].as_py())

    @property
    def last_seq(self) -> int:
        return int(self.batch.column("seq")[-1].as_py())

    @property
    def count(self) -> int:
        return int(self.batch.num_rows)

    def spectra(self) -> npt.NDArray[np.float32]:
        """The spectra as a (count, p) float32 array. Raises KeyError for a block of samples."""
        column = self.batch.column("spectrum")
        values: npt.NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=False)
        return values.reshape(self.count, -1)

    def digests(self) -> list[bytes]:
        """One SHA-256 an observation, over everything that makes it what it is."""
        return spectrum_digests(self) if self.kind is Kind.SPECTRA else [sample_block_digest(self)]

    def to_bytes(self) -> bytes:
        """The body: an Arrow IPC stream of the batch, see `steps`."""
        return body_of_samples(self.batch) if self.kind is Kind.SAMPLES else body_of_spectra(self.batch)


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequence numbers [first_seq, last_seq] of a source that were not received, and why.

    (source, epoch, first_seq, started_at) names a gap; written again, the later one counts.
    `ended_at` is None while the gap is open (the source is unreachable, or nothing came since).
    `last_seq` is None while it is open, and also when the source's counter restarted inside it, so that
    nobody can say how far the old counter got.
    `last_seq` = `first_seq` - 1 says that nothing numbered was missed: the gap is one of time only. Samples,
    which bear no number of the device, have only such gaps.
    """

    source: str
    epoch: int
    first_seq: int
    last_seq: int | None
    lot: str
    started_at: datetime
    ended_at: datetime | None
    reason: GapReason


@dataclass(frozen=True, slots=True)
class Event:
    """Something a source or its link did. `detail` is a short sentence in English with the facts;
    of LOT_STARTED and LOT_ENDED it is the lot number and nothing else. LOT_ENDED is delivered after the
    last block of its lot."""

    source: str
    kind: EventKind
    at: datetime
    detail: str
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class JournalPart:
    """Entries of the journal of an agent that follow each other: `lines` as they stand in it, without line feeds.

    `source` is the name of the agent; (source, number of the entry) names one entry for ever.
    """

    source: str
    lines: tuple[bytes, ...]


def spectra_batch(
    seq: Sequence[int],
    time: Sequence[datetime],
    quality: Sequence[int],
    sample: Sequence[str],
    spectra: npt.NDArray[np.float32],
) -> pa.RecordBatch:
    """Build the batch of a block of spectra; `spectra` has shape (n, p)."""
    matrix = np.ascontiguousarray(spectra, dtype=np.float32)
    width = matrix.shape[1]
    column = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1), pa.float32()), width)
    return pa.RecordBatch.from_arrays(
        [
            pa.array(seq, pa.int64()),
            pa.array(time, UTC_US),
            pa.array(quality, pa.uint32()),
            pa.array(sample, pa.string()),
            column,
        ],
        names=["seq", "time", "quality", "sample", "spectrum"],
    )


def samples_batch(
    seq: Sequence[int],
    time: Sequence[datetime],
    quality: Sequence[int],
    tag: Sequence[str],
    value: Sequence[Value],
) -> pa.RecordBatch:
    """Build the batch of a block of samples, with the optional columns only where a value needs them."""
    columns = {
        "seq": pa.array(seq, pa.int64()),
        "time": pa.array(time, UTC_US),
        "quality": pa.array(quality, pa.uint32()),
        "tag": pa.array(tag, pa.string()).dictionary_encode(),
    }
    kinds = set(map(type, value))
    numbers: Sequence[Any] = value
    if str in kinds or np.ndarray in kinds:
        numbers = [math.nan if isinstance(one, str | np.ndarray) else one for one in value]
    columns["value"] = pa.array(np.asarray(numbers, dtype=np.float64))
    if str in kinds:
        columns["text"] = pa.array([one if isinstance(one, str) else None for one in value], OPTIONAL["text"])
    if np.ndarray in kinds:
        arrays = [one if isinstance(one, np.ndarray) else None for one in value]
        columns["array"] = pa.array(arrays, OPTIONAL["array"])
    return pa.RecordBatch.from_pydict(columns)


def samples_columns(
    seq: npt.NDArray[np.int64],
    time: npt.NDArray[np.int64],
    quality: npt.NDArray[np.uint32],
    tag: npt.NDArray[np.int32],
    names: pa.StringArray,
    value: npt.NDArray[np.float64],
) -> pa.RecordBatch:
    """Build the batch of a block of numbers from arrays, without a step for each row.

    Each of shape (n,): time in µs since 1970 (UTC), tag as positions in `names`.
    """
    return pa.RecordBatch.from_arrays(
        [
            pa.array(seq, pa.int64()),
            pa.array(time, pa.int64()).view(UTC_US),
            pa.array(quality, pa.uint32()),
            pa.DictionaryArray.from_arrays(pa.array(tag, pa.int32()), names),
            pa.array(value, pa.float64()),
        ],
        names=["seq", "time", "quality", "tag", "value"],
    )


def spectrum_digests(block: Block) -> list[bytes]:
    """SHA-256 of each spectrum with its identity: source, lot, axis, epoch, seq, time, quality, sample.

    The fields are length-prefixed, so no two different spectra share a preimage.
    """
    prefix = b"".join(_field(text) for text in ("baro.spectrum.1", block.source, block.lot, block.axis))
    seq = block.batch.column("seq").to_numpy(zero_copy_only=False)
    time = block.batch.column("time").cast(pa.int64()).to_numpy(zero_copy_only=False)
    quality = block.batch.column("quality").to_numpy(zero_copy_only=False)
    sample = block.batch.column("sample").to_pylist()
    rows = np.ascontiguousarray(block.spectra(), dtype="<f4")
    return [
        hashlib.sha256(
            prefix
            + struct.pack("<qqqI", block.epoch, int(seq[i]), int(time[i]), int(quality[i]))
            + _field(sample[i])
            + rows[i].tobytes()
        ).digest()
        for i in range(block.count)
    ]


def sample_block_digest(block: Block) -> bytes:
    """SHA-256 of a whole block of samples, over values rather than over their encoding."""
    optional = [name for name in OPTIONAL if _filled(block.batch, name)]
    state = hashlib.sha256()
    for text in ("baro.samples.2" if optional else "baro.samples.1", block.source, block.lot):
        state.update(_field(text))
    state.update(struct.pack("<qq", block.epoch, block.count))
    state.update(block.batch.column("seq").to_numpy(zero_copy_only=False).astype("<i8", copy=False))
    state.update(block.batch.column("time").view(pa.int64()).to_numpy(zero_copy_only=False).astype("<i8", copy=False))
    state.update(block.batch.column("quality").to_numpy(zero_copy_only=False).astype("<u4", copy=False))
    state.update(block.batch.column("value").to_numpy(zero_copy_only=False).astype("<f8", copy=False))
    state.update(_tags(block.batch.column("tag")))
    for name in optional:
        state.update(_field(name))
        for one in block.batch.column(name):
            state.update(b"\x01" + _optional(one.as_py(), name) if one.is_valid else b"\x00")
    return state.digest()


def _filled(batch: pa.RecordBatch, name: str) -> bool:
    """Whether a row of `batch` has this optional column: one that is null throughout says nothing."""
    at = batch.schema.get_field_index(name)
    return bool(at >= 0 and batch.column(at).null_count < batch.num_rows)


def _optional(value: Any, name: str) -> bytes:
    return _field(value) if name == "text" else struct.pack("<I", len(value)) + np.asarray(value, "<f8").tobytes()


def _tags(column: pa.DictionaryArray) -> pa.Buffer | bytes:
    """The names of all rows, length-prefixed, one after the other: taken by Arrow, since they are many and few
    of them differ."""
    if len(column) == 0:
        return b""
    names = column.dictionary
    offsets, texts = (buffer.to_pybytes() if buffer is not None else b"" for buffer in names.buffers()[1:3])
    return _fields(names.type, names.offset, len(names), offsets, texts).take(column.indices).buffers()[2]


@lru_cache(maxsize=64)
def _fields(of: pa.DataType, offset: int, count: int, offsets: bytes, texts: bytes) -> pa.LargeBinaryArray:
    """The names of a dictionary, length-prefixed. The blocks of a source share one, as a rule."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(texts)]
    names = pa.Array.from_buffers(of, count, buffers, offset=offset)
    return pa.array([_field(name) for name in names.to_pylist()], pa.large_binary())


def utc_now() -> datetime:
    """The collector's own clock, in UTC."""
    return datetime.now(UTC)


def _field(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw
