"""Every observation that the instrument made is stored once, or lies in a gap."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psycopg

from baro.database import roles
from baro.database.roles import Role
from baro.historian.store import Historian
from tests.edge.chaos.driver import LIFE, NIR, TAGS
from tests.edge.chaos.plant import Plant


@dataclass
class Account:
    """What came of it. lost: runs of observations that are neither stored nor in a gap, in words."""

    measured: int = 0
    stored: int = 0
    in_gaps: int = 0
    gaps: int = 0
    events: dict[str, int] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    twice: int = 0
    disordered: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)


def account(plant: Plant) -> Account:
    """Hold what is stored against what was measured."""
    found = Account()
    lives = plant.measured()
    url = roles.conninfo(plant.url, Role.APP)
    with Historian(url, plant.company, Path(plant.folder / "lake")) as historian:
        gaps = historian.gaps()
        found.gaps = len(gaps)
        found.findings = [str(finding) for finding in historian.check()]
        table = historian.samples(source=TAGS)
        samples = np.array([table["epoch"], table["seq"], table["value"]]).T.astype(np.int64)
        seen = historian.spectra(source=NIR)
    life, number = seen.spectra[:, 0].astype(np.int64), seen.spectra[:, 1].astype(np.int64)
    spectra = np.array([seen.epoch, seen.seq, life * LIFE + number - 1]).T.astype(np.int64)
    for source, rows, measured in (
        (TAGS, samples, [life[0] for life in lives]),
        (NIR, spectra, [life[1] for life in lives]),
    ):
        count(found, source, rows, measured, [gap for gap in gaps if gap.source == source])
    _events(found, plant)
    return found


def count(found: Account, source: str, rows: np.ndarray, measured: list[int], gaps: list) -> None:
    """Add one source. rows: (n, 3) of epoch, seq, and life * LIFE + number from 0. measured: of each life."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    values = rows[:, 2]
    found.measured += sum(measured)
    found.stored += len(np.unique(values))
    found.twice += len(values) - len(np.unique(values))
    life, number = np.divmod(values, LIFE)
    for at in np.flatnonzero(number >= np.array(measured)[life]):
        found.lost.append(f"{source}: {life[at]}/{number[at]} was never measured")
    begins = {(gap.epoch, gap.first_seq) for gap in gaps}
    for at in np.flatnonzero((np.diff(values) != 1) | (np.diff(rows[:, 1]) != 1)):
        (epoch, seq, value), (next_epoch, next_seq, following) = rows[at], rows[at + 1]
        if following <= value:
            found.disordered.append(f"{source} {epoch}:{seq}")
        to = next_seq - 1 if next_epoch == epoch else seq
        if (epoch, seq + 1) not in begins or not _covered(seq + 1, to, [gap for gap in gaps if gap.epoch == epoch]):
            found.lost.append(f"{source} after {epoch}:{seq}: {value} to {following}")
    epoch, seq, value = rows[-1]
    if value != (len(measured) - 1) * LIFE + measured[-1] - 1 and (epoch, seq + 1) not in begins:
        found.lost.append(f"{source} after {epoch}:{seq}: {value} to the end")
    found.in_gaps += sum(measured) - len(np.unique(values))


def _covered(first: int, last: int, gaps: list) -> bool:
    """Do these gaps name every number of [first, last]?"""
    at = first
    for gap in sorted(gaps, key=lambda gap: gap.first_seq):
        if gap.first_seq <= at:
            at = last + 1 if gap.last_seq is None else max(at, gap.last_seq + 1)
    return at > last


def _events(found: Account, plant: Plant) -> None:
    """How often each thing was told, and whether the end of a lot was told after its last block."""
    with psycopg.connect(plant.url) as admin:
        counts = admin.execute("SELECT kind, count(*) FROM historian_event GROUP BY kind").fetchall()
        early = admin.execute(
            "SELECT e.source, e.detail, b.epoch, b.first_seq FROM historian_event e JOIN historian_block b"
            " ON b.source = e.source AND b.lot = e.detail AND b.recorded_at > e.recorded_at"
            " WHERE e.kind = 'lot_ended'"
        ).fetchall()
    found.events = defaultdict(int, counts)
    found.disordered += [f"{source}: lot {lot} ended before {epoch}:{first}" for source, lot, epoch, first in early]
