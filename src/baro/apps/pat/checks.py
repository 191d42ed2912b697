"""Checks of analysers against standards: how each stands, and which failed ones speak against what was measured when.

Call within the company's context.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from baro.apps.pat.models import HealthCheck
from baro.apps.plant.models import Instrument


@dataclass(frozen=True, slots=True)
class FailedChecks:
    """An analyser whose measurements of some time are no evidence, and the checks (their keys) that say so."""

    source: str
    instrument: str
    checks: tuple[str, ...]

    def kept(self) -> dict[str, Any]:
        """As the evidence of a verdict keeps it."""
        return asdict(self) | {"checks": list(self.checks)}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> FailedChecks:
        """Read back from there."""
        return cls(kept["source"], kept["instrument"], tuple(kept["checks"]))


def failed_checks(
    instruments: Iterable[Instrument], started_at: datetime, ended_at: datetime | None
) -> tuple[FailedChecks, ...]:
    """Of each instrument the failed checks that bear on what it measured from `started_at` to `ended_at` (None: it
    goes on), in the order of their numbers; instruments without one are left out.

    Measurements stand between two checks with the same standard: the last one before them and the first one after
    them. Both of them bear on the measurements, and whatever was checked in between.
    """
    found = []
    for instrument in sorted(instruments, key=lambda one: one.code):
        failed = HealthCheck.objects.filter(instrument=instrument, passed=False)
        same = HealthCheck.objects.filter(
            instrument=instrument, kind=OuterRef("kind"), standard__iexact=OuterRef("standard")
        )
        overtaken = same.filter(recorded_at__gt=OuterRef("recorded_at"), recorded_at__lte=started_at)
        bears = Q(recorded_at__lte=started_at) & ~Exists(overtaken)
        if ended_at is None:
            bears |= Q(recorded_at__gt=started_at)
        else:
            sooner = same.filter(recorded_at__gt=ended_at, recorded_at__lt=OuterRef("recorded_at"))
            bears |= Q(recorded_at__gt=started_at, recorded_at__lte=ended_at)
            bears |= Q(recorded_at__gt=ended_at) & ~Exists(sooner)
        keys = failed.filter(bears).order_by("recorded_at", "id").values_list("id", flat=True)
        if checks := tuple(str(key) for key in keys):
            found.append(FailedChecks(instrument.source, instrument.code, checks))
    return tuple(found)


def standing_checks(instrument: Instrument | UUID) -> list[HealthCheck]:
    """The newest check of each kind with each standard, in the order of kinds and names."""
    newest: dict[tuple[str, str], HealthCheck] = {}
    checks = HealthCheck.objects.filter(instrument=instrument).select_related("checked_by")
    for check in checks.order_by("recorded_at"):
        newest[check.kind, check.standard.strip().casefold()] = check
    order = list(HealthCheck.Kind.values)
    return sorted(newest.values(), key=lambda one: (order.index(one.kind), one.standard))


def last_failure() -> datetime | None:
    """When the newest failed check of the company was recorded."""
    failed = HealthCheck.objects.filter(passed=False)
    return failed.order_by("-recorded_at").values_list("recorded_at", flat=True).first()
