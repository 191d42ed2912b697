"""How the clock stands, for the pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from baro.apps.plant.clock.models import Against, ClockEvent, ClockReading
from baro.config import config

SHOWN = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Compared:
    """One clock the server's was compared with: the newest difference and its course, oldest first, s."""

    against: Against
    name: str
    offset_s: float
    at: datetime
    course: list[float]
    within: bool


def compared() -> list[Compared]:
    """Every clock compared within a day."""
    since = timezone.now() - SHOWN
    out: dict[tuple[str, str], list[ClockReading]] = {}
    for reading in ClockReading.objects.filter(recorded_at__gt=since).order_by("recorded_at"):
        out.setdefault((reading.against, reading.name), []).append(reading)
    limit = config().clock_limit_s
    return [
        Compared(
            Against(against),
            name,
            found[-1].offset_s,
            found[-1].recorded_at,
            [one.offset_s for one in found][-120:],
            abs(found[-1].offset_s) <= limit,
        )
        for (against, name), found in sorted(out.items())
    ]


def events(count: int = 20) -> list[ClockEvent]:
    """The newest events of the clock."""
    return list(ClockEvent.objects.order_by("-recorded_at")[:count])
