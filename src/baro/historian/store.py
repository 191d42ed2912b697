"""One way to ask the historian, whether the observations are hot in PostgreSQL or sealed in the lake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import DuckDBPyConnection

from baro.edge.blocks import OPTIONAL, UTC_US, Axis, Kind
from baro.historian import catalogue, check, counting, days, exporting, keeping, rollup, running, seal, series, sql
from baro.historian.aggregate import BAD, Grid, How, Series, extremes
from baro.historian.bodies import TAG, digest_rows, integers, matrix, texts
from baro.historian.catalogue import BlockRow, EventRow, GapRow, LotRow, Segment
from baro.historian.check_journal import FilesReport, check_journal
from baro.historian.counting import Counted
from baro.historian.errors import AxesDiffer, HistorianError, UnknownAxis
from baro.historian.findings import Finding
from baro.historian.journal import Head, heads
from baro.historian.known import KnownTag, known_tags, spectra_sources
from baro.historian.reading import Part, read_parts
from baro.historian.session import Session
from baro.historian.traces import HOLDING, TagRef, Trace, as_table, micros, of_spans, trace, unique

__all__ = ["BAD", "Historian", "How", "SpectraTable", "TagRef", "Trace"]

_SAMPLES = pa.schema(
    [
        ("source", pa.string()),
        ("epoch", pa.int64()),
        ("seq", pa.int64()),
        ("time", UTC_US),
        ("quality", pa.uint32()),
        ("tag", TAG),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class SpectraTable:
    """Spectra in the order of (source, epoch, seq), each once.

    source: n names. epoch, seq: (n,) int64. time: (n,) datetime64[us], UTC. quality: (n,) uint32. sample: n names.
    axis: digest of the axis, "" when empty. spectra: (n, p) float32. digests: (n, 32) uint8, as stored.
    """

    source: list[str]
    epoch: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    time: npt.NDArray[np.datetime64]
    quality: npt.NDArray[np.uint32]
    sample: list[str]
    axis: str
    spectra: npt.NDArray[np.float32]
    digests: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.seq)

    def of(self, keep: npt.NDArray[np.bool_]) -> SpectraTable:
        """Those of which `keep` (n,) is true."""
        return self if keep.all() else _taken(self, np.flatnonzero(keep))


class Historian:
    """What one company's plant measured.

    database: a connection string, then the historian uses a connection and transactions of its own; or an open
    psycopg connection (of Django: ``connection.connection``), then the caller has set the company's context in
    the running transaction, and the historian works in it. data_dir: the lake of sealed files.
    """

    def __init__(self, database: str | psycopg.Connection[Any], company_id: UUID, data_dir: Path) -> None:
        self.company_id = company_id
        self.data_dir = data_dir
        self._session = Session(database, company_id)

    def spectra(
        self,
        lot: str | None = None,
        source: str | None = None,
        after: tuple[int, int] | None = None,
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> SpectraTable:
        """Spectra of a lot, or of a source, beyond (epoch, seq) `after`; the first `limit` of them; or of [start, end).

        Raises AxesDiffer, Damaged, SealedFileMissing.
        """
        parts = read_parts(
            self._session,
            self.data_dir,
            Kind.SPECTRA,
            lot=lot,
            source=source,
            after=after,
            limit=limit,
            start=start,
            end=end,
        )
        table = _spectra(parts)
        if start is not None or end is not None:
            table = _between(table, start, end)
        return table if after is None and limit is None else _narrowed(table, after, limit)

    def samples(
        self,
        lot: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        tags: list[str] | None = None,
        source: str | None = None,
    ) -> pa.Table:
        """Samples of a lot, or of [start, end): source, epoch, seq, time, quality, tag, value; also text and array
        where some of the blocks have them.

        In the order of (tag, time, source, epoch, seq). Raises Damaged, SealedFileMissing.
        """
        parts = read_parts(
            self._session,
            self.data_dir,
            Kind.SAMPLES,
            lot=lot,
            source=source,
            start=start,
            end=end,
            tags=tags,
        )
        return _samples(parts, start, end, tags)

    def traces(
        self,
        tags: Sequence[TagRef],
        start: datetime,
        end: datetime,
        points: int = 1000,
        how: How | str = How.MINMAX,
        lot: str | None = None,
    ) -> list[Trace]:
        """The curve of each tag over [start, end), in the order asked for; within `lot` only when one is given.

        points: how many spans at most, or of ``lttb`` how many points; ``raw`` gives every sample. Spans longer than a
        minute are of whole minutes, so the first may begin before `start` and the last end after `end`. Values of bad
        quality and those that are no finite number are left out of every figure. Raises Damaged, SealedFileMissing.
        """
        grid = Grid.between(micros(start), micros(end), points, rollup.UNIT)
        return self._traces(unique(tags), grid, points, How(how), lot)

    def query(
        self,
        tags: Sequence[TagRef],
        start: datetime,
        end: datetime,
        *,
        how: How | str = How.RAW,
        step: timedelta | None = None,
        points: int | None = None,
        lot: str | None = None,
    ) -> pa.Table:
        """The same as a table: source, tag, time, value, low, high, quality; of each tag in the order of time.

        step: length of a span, from `start` on exactly; or `points`, as in `traces`. ``raw`` and ``lttb`` need no step.
        Raises Damaged, SealedFileMissing, ValueError for neither of step and points where one is needed.
        """
        how = How(how)
        low, high = micros(start), micros(end)
        if step is not None:
            width = max(1, step // timedelta(microseconds=1))
            grid = Grid(low, width, max(1, -(-(high - low) // width)))
        elif points is not None or how in (How.RAW, How.LTTB):
            grid = Grid.between(low, high, points or 1000, rollup.UNIT)
        else:
            raise ValueError("step or points")
        return as_table(self._traces(unique(tags), grid, points or 1000, how, lot, (low, high)))

    def _traces(
        self,
        tags: list[TagRef],
        grid: Grid,
        points: int,
        how: How,
        lot: str | None,
        ends: tuple[int, int] | None = None,
    ) -> list[Trace]:
        low, high = ends or (grid.start, int(grid.edges[-1]))
        around = max(grid.step, series.LOOK_BACK // timedelta(microseconds=1)) if how in HOLDING else 0
        reach = (low - around, high + around)
        places = series.find(
            self._session, (ref.source for ref in tags), series.utc(reach[0]), series.utc(reach[1]), lot
        )
        out = []
        for ref in tags:
            if (
                how in series.ROLLED
                and grid.start % rollup.UNIT == 0 == grid.step % rollup.UNIT
                and high == grid.edges[-1]
            ):
                found = series.spans_of(self.data_dir, places, ref, grid, how)
                if found is not None:
                    out.append(of_spans(ref, grid, how, found))
                    continue
            out.append(trace(ref, series.series(self.data_dir, places, ref, *reach), grid, points, how))
        return out

    def tags(self, start: datetime, end: datetime, source: str | None = None) -> list[TagRef]:
        """The tags of which there are samples in the files and blocks of [start, end), by source and name."""
        places = series.find(self._session, None if source is None else [source], start, end)
        return series.tags_of(self.data_dir, places)

    def export(
        self,
        path: Path,
        tags: Sequence[TagRef],
        start: datetime,
        end: datetime,
        progress: exporting.Progress = lambda done, of: None,
    ) -> int:
        """See `exporting.export`."""
        return exporting.export(self, path, tags, start, end, progress)

    def sql(self) -> DuckDBPyConnection:
        """See `sql.connect`."""
        return sql.connect(self._session, self.data_dir)

    def downsampled(self, tag: str, lot: str, points: int = 1000) -> Trace:
        """The least and the greatest value of each of `points` / 2 equal spans of time of `tag` in `lot`.

        Only real points are given, and all of them when there are no more than `points`. Values of bad
        quality and those that are no finite number are left out.
        """
        table = self.samples(lot=lot, tags=[tag])
        whole = Series(integers(table["time"]), table["value"].to_numpy(), table["quality"].to_numpy())
        time, value, quality = whole.time[whole.counts], whole.value[whole.counts], whole.quality[whole.counts]
        kept = extremes(time, value, points)
        value = value[kept]
        ref = TagRef(table["source"][0].as_py() if len(table) else "", tag)
        return Trace(ref, time[kept].view("datetime64[us]"), value, value, value, quality[kept])

    def blocks(self, lot: str | None = None, kind: Kind | None = None, source: str | None = None) -> list[BlockRow]:
        """What is known of the stored blocks, in the order of (source, epoch, first_seq)."""
        with self._session.transaction() as cursor:
            return catalogue.find_blocks(cursor, self.company_id, lot=lot, kind=kind, source=source)

    def segments(self, lot: str | None = None) -> list[Segment]:
        """The sealed files, in the order in which they were sealed."""
        with self._session.transaction() as cursor:
            return catalogue.find_segments(cursor, self.company_id, lot=lot)

    def known_tags(self) -> list[KnownTag]:
        """See `known.known_tags`."""
        return known_tags(self._session, self.data_dir)

    def spectra_sources(self) -> list[str]:
        """See `known.spectra_sources`."""
        return spectra_sources(self._session)

    def lots(self) -> list[LotRow]:
        """Every lot of which something is stored, the latest first."""
        with self._session.transaction() as cursor:
            return catalogue.find_lots(cursor, self.company_id)

    def gaps(
        self,
        lot: str | None = None,
        source: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> list[GapRow]:
        """Gaps as they stand now, and what is still missing of each; only those that reach into [start, end)."""
        with self._session.transaction() as cursor:
            return catalogue.find_gaps(cursor, self.company_id, lot, source, start, end)

    def events(
        self, source: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> list[EventRow]:
        """What sources and their links did in [start, end)."""
        with self._session.transaction() as cursor:
            return catalogue.find_events(cursor, self.company_id, source, start, end)

    def count(self, source: str, start: datetime, end: datetime) -> Counted:
        """See `counting.count`."""
        return counting.count(self._session, self.data_dir, source, start, end)

    def axis(self, digest: str) -> Axis:
        """The spectral axis with this digest. Raises UnknownAxis."""
        with self._session.transaction() as cursor:
            axis = catalogue.find_axis(cursor, self.company_id, digest)
        if axis is None:
            raise UnknownAxis(digest=digest)
        return axis

    def seal(self, lot: str) -> list[Segment]:
        """See `seal.seal`."""
        return seal.seal(self._session, self.data_dir, lot)

    def seal_hot(self, until: datetime, *, spectra: bool = True) -> int:
        """See `days.seal_hot`."""
        return days.seal_hot(self._session, self.data_dir, until, spectra=spectra)

    def tend(self, now: datetime, age: timedelta) -> tuple[int, int]:
        """See `keeping.tend`."""
        return keeping.tend(self._session, self.data_dir, now, age=age)

    def remove_replaced(self, before: datetime) -> tuple[int, list[HistorianError]]:
        """See `keeping.remove_replaced`."""
        return keeping.remove_replaced(self._session, self.data_dir, before)

    def compact(self, before: date) -> int:
        """See `days.compact`."""
        return days.compact(self._session, self.data_dir, before)

    def drop_hot(self, segment: Segment) -> int:
        """See `seal.drop_hot`."""
        return seal.drop_hot(self._session, self.data_dir, segment)

    def drop_older(self, before: datetime) -> tuple[int, list[HistorianError]]:
        """See `seal.drop_older`."""
        return seal.drop_older(self._session, self.data_dir, before)

    def check(self, lot: str | None = None) -> list[Finding]:
        """See `check.check`."""
        return check.check(self._session, self.data_dir, lot)

    def extend_runs(self) -> int:
        """See `running.extend`."""
        with self._session.transaction() as cursor:
            return running.extend(cursor, self.company_id)

    def check_files(self, stores: Mapping[str, Path]) -> FilesReport:
        """See `check_journal.check_journal`."""
        with self._session.transaction() as cursor:
            return check_journal(cursor, self.company_id, stores)

    def journal_heads(self) -> list[Head]:
        """The last entry of the journal of each agent."""
        with self._session.transaction() as cursor:
            return heads(cursor, self.company_id)

    def close(self) -> None:
        """Close the historian's own connection; a caller's is left as it is."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spectra(parts: list[Part]) -> SpectraTable:
    """All rows of `parts` in order. Raises AxesDiffer."""
    axes = {part.axis for part in parts}
    if len(axes) > 1:
        raise AxesDiffer(axes=sorted(axes))
    parts = sorted(parts, key=lambda part: (part.source, part.table["epoch"][0].as_py(), part.table["seq"][0].as_py()))
    tables = [part.table for part in parts]

    def column(name: str, of: Callable[[Any], npt.NDArray[Any]], empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
        chunks = [of(chunk) for table in tables for chunk in table[name].chunks]
        return np.concatenate(chunks) if chunks else empty

    none = np.empty(0, np.int64)
    table = SpectraTable(
        [part.source for part in parts for _ in range(part.table.num_rows)],
        column("epoch", integers, none),
        column("seq", integers, none),
        column("time", integers, none).view("datetime64[us]"),
        column("quality", lambda chunk: chunk.to_numpy(), none.astype(np.uint32)),
        [text for part in tables for chunk in part["sample"].chunks for text in texts(chunk)],
        axes.pop() if axes else "",
        column("spectrum", matrix, np.empty((0, 0), np.float32)),
        column("digest", digest_rows, np.empty((0, 32), np.uint8)),
    )
    # parts come in order, but late blocks lie within the holes of others
    ranks = np.unique(table.source, return_inverse=True)[1] if len(parts) > 1 else np.zeros(len(table), np.int64)
    order = np.lexsort((table.seq, table.epoch, ranks))
    return table if np.array_equal(order, np.arange(len(order))) else _taken(table, order)


def _narrowed(table: SpectraTable, after: tuple[int, int] | None, limit: int | None) -> SpectraTable:
    chosen = np.arange(len(table))
    if after is not None:
        chosen = chosen[(table.epoch > after[0]) | ((table.epoch == after[0]) & (table.seq > after[1]))]
    return _taken(table, chosen[:limit])


def _between(table: SpectraTable, start: datetime | None, end: datetime | None) -> SpectraTable:
    time = table.time.view(np.int64)
    within = np.ones(len(table), bool)
    if start is not None:
        within &= time >= micros(start)
    if end is not None:
        within &= time < micros(end)
    return table if within.all() else _taken(table, np.flatnonzero(within))


def _taken(table: SpectraTable, rows: npt.NDArray[np.intp]) -> SpectraTable:
    return SpectraTable(
        [table.source[i] for i in rows],
        table.epoch[rows],
        table.seq[rows],
        table.time[rows],
        table.quality[rows],
        [table.sample[i] for i in rows],
        table.axis if len(rows) else "",
        table.spectra[rows],
        table.digests[rows],
    )


def _samples(parts: list[Part], start: datetime | None, end: datetime | None, tags: list[str] | None) -> pa.Table:
    tables = [
        part.table.append_column("source", pa.repeat(pa.scalar(part.source), part.table.num_rows)) for part in parts
    ]
    optional = [name for name in OPTIONAL if any(name in table.column_names for table in tables)]
    tables = [
        table.select([name for name in [*_SAMPLES.names, *optional] if name in table.column_names]) for table in tables
    ]
    tables = [table.cast(pa.schema([_column(name) for name in table.column_names])) for table in tables]
    empty = pa.schema([_column(name) for name in [*_SAMPLES.names, *optional]]).empty_table()
    table = pa.concat_tables([empty, *tables], promote_options="default").unify_dictionaries()
    if start is not None:
        table = table.filter(pc.greater_equal(table["time"], pa.scalar(start.astimezone(UTC), UTC_US)))
    if end is not None:
        table = table.filter(pc.less(table["time"], pa.scalar(end.astimezone(UTC), UTC_US)))
    if tags is not None:
        table = table.filter(pc.is_in(table["tag"], pa.array(tags, pa.string())))
    return table.take(seal.sample_order(table))


def _column(name: str) -> pa.Field:
    return pa.field(name, OPTIONAL[name]) if name in OPTIONAL else _SAMPLES.field(name)
