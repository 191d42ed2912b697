"""How many observations of a source lie in a stretch of time, exactly, without reading those of whole blocks."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.multirange import Multirange

from baro.edge.blocks import Kind
from baro.edge.state import to_us
from baro.historian.reading import Part, read_parts
from baro.historian.session import Session

_BLOCKS = """
    SELECT kind, epoch, seqs, count, time_min, time_max,
      time_min >= %(start)s AND time_max < %(end)s
    FROM historian_block WHERE company_id = %(company)s AND source = %(source)s
      AND time_max >= %(start)s AND time_min < %(end)s
"""
_US = timedelta(microseconds=1)


class Counted(NamedTuple):
    """Samples and spectra."""

    samples: int = 0
    spectra: int = 0

    def plus(self, other: Counted) -> Counted:
        return Counted(self.samples + other.samples, self.spectra + other.spectra)


def count(session: Session, data_dir: Path, source: str, start: datetime, end: datetime) -> Counted:
    """Observations of `source` in [start, end). Blocks that begin before or end after it are read.

    Raises Damaged, SealedFileMissing.
    """
    found = dict.fromkeys(Kind, 0)
    with session.transaction() as cursor:
        cursor.execute(
            _BLOCKS, {"company": session.company_id, "source": source, "start": start, "end": end}, binary=True
        )
        rows = cursor.fetchall()
    for name, epoch, seqs, held, time_min, time_max, whole in rows:
        kind = Kind(name)
        if whole:
            found[kind] += held
            continue
        within = max(time_min, start), min(time_max + _US, end)
        parts = read_parts(session, data_dir, kind, source=source, start=within[0], end=within[1])
        found[kind] += sum(_rows(part, epoch, seqs, within) for part in parts)
    return Counted(found[Kind.SAMPLES], found[Kind.SPECTRA])


def _rows(part: Part, epoch: int, seqs: Multirange[int], within: tuple[datetime, datetime]) -> int:
    """Rows of the block of these numbers in a part that may hold others."""
    table = part.table.filter(pc.equal(part.table["epoch"], epoch))
    seq, time = table["seq"].to_numpy(), table["time"].cast(pa.int64()).to_numpy()
    of_block = np.zeros(len(seq), bool)
    for run in seqs:
        of_block |= (seq >= run.lower) & (seq < run.upper)
    first, last = map(to_us, within)
    return int(np.count_nonzero(of_block & (time >= first) & (time < last)))
