"""What is asked of trends: names of tags and stretches of time, as they stand in addresses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from baro.apps.plant.trends.errors import TrendInvalid
from baro.historian.store import TagRef

MOST_TAGS = 20
MOST_POINTS = 5000
LONGEST = timedelta(days=366 * 5)
_LAST_YEAR = datetime(2200, 1, 1, tzinfo=UTC)
_FIRST_YEAR = datetime(1970, 1, 1, tzinfo=UTC)


def named(ref: TagRef) -> str:
    """A tag as one word: source and tag, percent-encoded, with / between them."""
    return f"{quote(ref.source, safe='')}/{quote(ref.tag, safe='')}"


def ref_of(word: str) -> TagRef:
    """The inverse of `named`. Raises TrendInvalid."""
    source, slash, tag = word.partition("/")
    ref = TagRef(unquote(source), unquote(tag))
    if not slash or not ref.source or not ref.tag or len(word) > 1000 or "\0" in ref.source + ref.tag:
        raise TrendInvalid(detail=f"tag {word[:80]!r}")
    return ref


@dataclass(frozen=True, slots=True)
class Asked:
    """Curves of `tags` over [start, end) in about `points` points each; within `lot` only when one is named."""

    tags: tuple[TagRef, ...]
    start: datetime
    end: datetime
    points: int
    lot: str = ""

    @classmethod
    def of(cls, tags: Sequence[str], start: datetime, end: datetime, points: int = 1000, lot: str = "") -> Asked:
        """Raises TrendInvalid."""
        refs = tuple(dict.fromkeys(ref_of(word) for word in tags))
        if len(refs) > MOST_TAGS:
            raise TrendInvalid(detail=f"{len(refs)} > {MOST_TAGS} tags")
        start, end = window(start, end)
        return cls(refs, start, end, min(max(points, 10), MOST_POINTS), lot.replace("\0", ""))


def window(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Both in UTC. Raises TrendInvalid for one that is none."""
    start, end = (time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC) for time in (start, end))
    if not (_FIRST_YEAR <= start < end <= _LAST_YEAR and end - start <= LONGEST):
        raise TrendInvalid(detail=f"{start.isoformat()} – {end.isoformat()}")
    return start, end


def instant(milliseconds: float) -> datetime:
    """A time from the milliseconds since 1970 (UTC). Raises TrendInvalid."""
    if not math.isfinite(milliseconds) or not 0 <= milliseconds < 8e12:
        raise TrendInvalid(detail=f"time {milliseconds!r}")
    return _FIRST_YEAR + timedelta(microseconds=round(milliseconds * 1000))
