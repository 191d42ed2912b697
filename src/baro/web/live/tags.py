"""The last minutes of the tags, kept in memory: the database is asked only for what is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
from django.utils import timezone

from baro.apps.plant.models import Tag
from baro.apps.plant.queries import POINTS, TagNow, tags_now, thinned

WINDOW = timedelta(minutes=5)
FRESH_S = 0.8
LATE = timedelta(seconds=3)
"""How far behind the newest value one may still come in."""


class TagMemory:
    """Recent values by tag. Many pages share it; a company's tags are its own objects, so nothing mixes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[UUID, dict[int, float]] = {}
        self._read_at: dict[UUID, float] = {}
        self._last: dict[UUID, datetime] = {}

    def now(self, tags: Sequence[Tag]) -> list[TagNow]:
        """The tags' last minutes. Call inside a transaction of their company."""
        with self._lock:
            until = timezone.now()
            due = [t for t in tags if time.monotonic() - self._read_at.get(t.id, -1e9) > FRESH_S]
            for tag in due:
                self._kept.setdefault(tag.id, {})
            if due:
                start = min(max(self._last.get(t.id, until - WINDOW), until - WINDOW) for t in due)
                for new in tags_now(due, until + LATE, until + LATE - start):
                    self._keep(new, until)
            return [self._of(tag) for tag in tags]

    def _keep(self, new: TagNow, until: datetime) -> None:
        key = new.tag.id
        oldest = int((until - WINDOW).timestamp() * 1000)
        kept = {at: value for at, value in self._kept[key].items() if at >= oldest}
        kept |= dict(zip(new.time, new.value, strict=True))
        self._kept[key] = kept
        self._read_at[key] = time.monotonic()
        if new.at is not None:
            self._last[key] = new.at - LATE

    def _of(self, tag: Tag) -> TagNow:
        course = sorted(self._kept[tag.id].items())
        if not course:
            return TagNow(tag, None, None, [], [])
        at, value = course[-1]
        kept = [course[i] for i in thinned(np.array([v for _at, v in course]), POINTS)]
        kept += course[-1:] if kept[-1] != course[-1] else []
        return TagNow(
            tag,
            value,
            datetime.fromtimestamp(at / 1000, UTC),
            [at for at, _value in kept],
            [value for _at, value in kept],
        )


memory = TagMemory()
