"""What is done by the clock: sealing, putting days together, and taking replaced files out of the lake.

Everything is whole or not at all, so it may be stopped at any moment, and the next run goes on. Hot copies go by
`seal.drop_older`, which only the owner of the tables may.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from baro.historian import days, lake, samplefile
from baro.historian.catalogue import Segment, find_blocks, find_segments
from baro.historian.errors import HistorianError
from baro.historian.seal import blocks_of
from baro.historian.sealed import verify
from baro.historian.sealed_days import verify_day
from baro.historian.session import Session

SETTLE = timedelta(hours=1)
"""So long after its end a day waits for what comes late before it is put together."""


def tend(session: Session, data_dir: Path, now: datetime, *, age: timedelta) -> tuple[int, int]:
    """Seal what is older than `age` and put together the days that are over; how many blocks, and how many days.

    Spectra of no lot are few: they wait for the end of their day, so that it has few files. Raises Damaged,
    UnknownAxis, SealedFileMissing.
    """
    over = (now - SETTLE).astimezone(UTC).date()
    sealed = days.seal_hot(session, data_dir, now - age, spectra=False)
    sealed += days.seal_hot(session, data_dir, datetime(over.year, over.month, over.day, tzinfo=UTC))
    return sealed, days.compact(session, data_dir, over)


def remove_replaced(session: Session, data_dir: Path, before: datetime) -> tuple[int, list[HistorianError]]:
    """Take out of the lake what was replaced before `before`; how many files, and what kept others.

    A file goes only after the one that stands for it was read and verified once more. The catalogue says first that it
    is gone: a crash between leaves a file that the next run takes away.
    """
    with session.transaction() as cursor:
        cursor.execute(
            "SELECT segment_id, by_segment_id FROM historian_replaced WHERE company_id = %s AND recorded_at < %s",
            [session.company_id, before],
        )
        by = dict(cursor.fetchall())
        found = {s.id: s for s in find_segments(cursor, session.company_id, replaced=True)}
    removed, kept = 0, list[HistorianError]()
    sound: dict[int, HistorianError | None] = {}
    for id_, later in sorted(by.items()):
        segment = found[id_]
        if not segment.removed:
            last = later
            while last in by:
                last = by[last]
            if last not in sound:
                sound[last] = _verified(session, data_dir, found[last])
            error = sound[last]
            if error is not None:
                kept.append(error)
                continue
            with session.transaction() as cursor:
                cursor.execute(
                    "INSERT INTO historian_removed (company_id, segment_id) VALUES (%s, %s)",
                    [session.company_id, segment.id],
                )
        if _unlink(data_dir, segment):
            removed += 1
    return removed, kept


def _verified(session: Session, data_dir: Path, segment: Segment) -> HistorianError | None:
    try:
        with session.transaction() as cursor:
            if segment.index_digest is not None:
                rows = find_blocks(cursor, session.company_id, segment=segment.id)
                verify_day(data_dir, segment.path, rows, segment)
            else:
                verify(lake.read(data_dir, segment.path), blocks_of(cursor, session.company_id, segment), segment)
    except HistorianError as error:
        return error
    return None


def _unlink(data_dir: Path, segment: Segment) -> bool:
    there = (data_dir / segment.path).exists()
    for path in (segment.path, samplefile.directory_path(segment.path)):
        (data_dir / path).unlink(missing_ok=True)
    return there
