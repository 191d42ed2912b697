"""When the accounts have to be looked at again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min
from django.utils import timezone

from baro.apps.people.models import AccessReview, Assignment
from baro.config import config


@dataclass(frozen=True, slots=True)
class Due:
    """When the next review is due, counted from the last signed one, else from the first account's role."""

    last: datetime | None
    at: datetime | None
    overdue: bool


def due() -> Due:
    """Call inside the company's transaction."""
    last = AccessReview.objects.exclude(closed_at=None).order_by("-closed_at").values_list("closed_at", flat=True)[:1]
    since = last[0] if last else Assignment.objects.aggregate(first=Min("valid_from"))["first"]
    at = _months_later(since, config().access_review_months) if since else None
    return Due(last[0] if last else None, at, at is not None and at < timezone.now())


def _months_later(start: datetime, months: int) -> datetime:
    """The same day `months` later, or the last one of a shorter month."""
    month = start.month - 1 + months
    year, month = start.year + month // 12, month % 12 + 1
    for day in (start.day, 30, 29, 28):
        try:
            return start.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
