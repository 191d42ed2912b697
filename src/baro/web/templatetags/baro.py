"""Numbers, times, states and small pictures for templates."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.dateformat import format as date_format

register = template.Library()


@register.filter
def kst(value: datetime | None, pattern: str = "Y-m-d H:i:s") -> str:
    """A time in the zone of the plant, 24 h. The word KST stands in the column's head or beside it."""
    return date_format(timezone.localtime(value), pattern) if value else ""


@register.filter
def iso(value: datetime | None) -> str:
    """UTC in ISO 8601, for scripts."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds") if value else ""


@register.simple_tag
def now_kst() -> str:
    return f"{kst(timezone.now(), 'H:i:s')} KST"
