"""What the plant does now: tags against their ranges, and the links that bring the observations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from baro.apps.plant.models import Equipment, Tag
from baro.config import config
from baro.edge.blocks import EventKind
from baro.historian.store import BAD, Historian

POINTS = 120
LINK = (EventKind.CONNECTED, EventKind.DISCONNECTED)


@dataclass(frozen=True, slots=True)
class TagNow:
    """A tag's newest value and its recent course.

    time, value: (n,) POSIX milliseconds and values, oldest first, thinned to lowest and highest of equal spans.
    `value_now` and `at` are None when nothing came in the window.
    """

    tag: Tag
    value_now: float | None
    at: datetime | None
    time: list[int]
    value: list[float]

    @property
    def out_of_range(self) -> bool:
        return self.value_now is not None and not (self.tag.normal_low <= self.value_now <= self.tag.normal_high)


@dataclass(frozen=True, slots=True)
class Link:
    """The link of one source: since when it is up or down, open gaps, and what is missing for good."""

    source: str
    up: bool | None
    since: datetime | None
    last_at: datetime | None
    open_gaps: int
    missing: int


def historian(company: UUID) -> Historian:
    """The historian over Django's own connection; call inside a transaction of the company."""
    connection.ensure_connection()
    return Historian(connection.connection, company, config().data_dir)


def tags_now(tags: Sequence[Tag], until: datetime, window: timedelta) -> list[TagNow]:
    """What each tag did in the `window` before `until`."""
    if not tags:
        return []
    table = historian(tags[0].company_id).samples(
        start=until - window, end=until, tags=sorted({tag.name for tag in tags})
    )
    names = table["tag"].cast(pa.string())
    out = []
    for tag in tags:
        mine = table.filter(pc.and_(pc.equal(names, tag.name), pc.equal(table["source"], tag.source)))
        time = mine["time"].cast(pa.int64()).to_numpy() // 1000
        value = mine["value"].to_numpy()
        good = (mine["quality"].to_numpy() & BAD == 0) & np.isfinite(value)
        out.append(_tag_now(tag, time[good], value[good]))
    return out


def links(company: UUID, sources: Iterable[str]) -> list[Link]:
    """The state of the link of each source."""
    sources = list(sources)
    store = historian(company)
    last, told = _last_observations(company), _last_changes(company, sources)
    out = []
    for source in sources:
        kind, since = told.get(source, (None, None))
        gaps = store.gaps(source=source)
        missing = sum(end - first + 1 for gap in gaps for first, end in gap.missing if end is not None)
        out.append(
            Link(
                source=source,
                up=None if kind is None else kind is EventKind.CONNECTED,
                since=since,
                last_at=last.get(source),
                open_gaps=sum(1 for gap in gaps if gap.ended_at is None),
                missing=missing,
            )
        )
    return out


def sources_of(equipment: Equipment) -> list[str]:
    """Every source that reports of a unit of equipment, analysers first."""
    instruments = [instrument.source for instrument in equipment.instruments.all()]
    return list(dict.fromkeys([*instruments, *(tag.source for tag in equipment.tags.all())]))


def last_observation(company: UUID, lot: str) -> datetime | None:
    """The event time of the newest observation of a lot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(time_max) FROM historian_block WHERE company_id = %s AND lot = %s", [company, lot])
        found: datetime | None = cursor.fetchone()[0]
    return found


def _last_observations(company: UUID) -> dict[str, datetime]:
    with connection.cursor() as cursor:
        # the newest block of a source has its greatest epoch and number, which the index finds at once
        cursor.execute(
            "SELECT s.source, (SELECT b.time_max FROM historian_block b WHERE b.company_id = %s"
            "  AND b.source = s.source ORDER BY b.epoch DESC, b.last_seq DESC LIMIT 1)"
            " FROM (SELECT source FROM plant_instrument UNION SELECT source FROM plant_tag) s",
            [company],
        )
        return {source: at for source, at in cursor.fetchall() if at is not None}


def _last_changes(company: UUID, sources: list[str]) -> dict[str, tuple[EventKind, datetime]]:
    """Of each source, whether its link last came or went, and when."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.source, e.kind, e.at FROM unnest(%s::text[]) s(source), unnest(%s::text[]) k(kind),"
            " LATERAL (SELECT kind, at, id FROM historian_event"
            "  WHERE company_id = %s AND source = s.source AND kind = k.kind ORDER BY at DESC, id DESC LIMIT 1) e"
            " ORDER BY e.at, e.id",
            [sources, [kind.value for kind in LINK], company],
        )
        return {source: (EventKind(kind), at) for source, kind, at in cursor.fetchall()}


def _tag_now(tag: Tag, time: npt.NDArray[np.int64], value: npt.NDArray[np.float64]) -> TagNow:
    if len(time) == 0:
        return TagNow(tag, None, None, [], [])
    kept = thinned(value, POINTS)
    at = datetime.fromtimestamp(time[-1] / 1000, UTC)
    return TagNow(tag, float(value[-1]), at, time[kept].tolist(), [round(v, 4) for v in value[kept].tolist()])


def thinned(value: npt.NDArray[np.float64], points: int) -> npt.NDArray[np.intp]:
    """Positions of at most `points` values that keep every peak: lowest and highest of equal spans."""
    n = len(value)
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, points // 2 + 1).astype(int)
    kept = []
    for first, end in pairwise(edges.tolist()):
        span = value[first:end]
        kept += sorted({first + int(np.argmin(span)), first + int(np.argmax(span))})
    return np.array(kept)
