"""Numbers, times, states and small pictures for templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from baro.apps.ledger.naming import zone_name
from baro.web import words

register = template.Library()

WIDTH, HEIGHT = 200.0, 40.0


@register.filter
def kst(value: datetime | None, pattern: str = "Y-m-d H:i:s") -> str:
    """A time in the zone of the plant, 24 h. The zone itself stands in the column's head or beside it."""
    return date_format(timezone.localtime(value), pattern) if value else ""


@register.filter
def clock(value: datetime | None, pattern: str = "Y-m-d H:i:s") -> str:
    """A time in the zone of the plant with the zone's own name for itself at that time."""
    return f"{kst(value, pattern)} {zone_name(value)}" if value else ""


@register.filter
def iso(value: datetime | None) -> str:
    """UTC in ISO 8601, for scripts."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds") if value else ""


@register.filter
def get(mapping: dict[Any, Any], key: Any) -> Any:
    return mapping.get(key, "")


@register.filter
def short(digest: str) -> str:
    """The first letters of a digest; the whole one stands in a title or in the evidence."""
    return digest[:12]


@register.filter
def fixed(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


@register.filter
def thousands(value: int) -> str:
    return f"{value:,}"


@register.simple_tag
def chart_words() -> dict[str, str]:
    return words.chart_words()


@register.simple_tag
def now_kst() -> str:
    return clock(timezone.now(), "H:i:s")


@register.inclusion_tag("web/state.html")
def state_mark(state: str, word: str, shape: str, size: str = "") -> dict[str, str]:
    """A state as shape and word; colour only repeats them."""
    return {"state": state, "word": word, "shape": shape, "size": size}


@register.inclusion_tag("web/limit_bar.html")
def limit_bar(bar: Any, label: str = "") -> dict[str, Any]:
    """A value in its limits."""
    return {"bar": bar, "label": label}


@register.simple_tag
def range_position(value: float | None, low: float, high: float) -> str:
    """Where a value lies when the normal range is the middle half of the bar, in percent."""
    if value is None or high <= low:
        return ""
    return f"{100 * min(1.0, max(0.0, 0.25 + 0.5 * (value - low) / (high - low))):.2f}"


@register.simple_tag
def spark(values: Sequence[float], low: float | None = None, high: float | None = None) -> SafeString:
    """A line of values with its limits as thin lines, for a decorative SVG beside the number itself."""
    if len(values) < 2:
        return SafeString()
    known = [*values, *(limit for limit in (low, high) if limit is not None)]
    bottom, top = min(known), max(known)
    pad = (top - bottom) * 0.1 or 1.0
    bottom, top = bottom - pad, top + pad

    def y(value: float) -> str:
        return f"{HEIGHT - HEIGHT * (value - bottom) / (top - bottom):.1f}"

    step = WIDTH / (len(values) - 1)
    points = " ".join(f"{i * step:.1f},{y(value)}" for i, value in enumerate(values))
    lines = [limit for limit in (low, high) if limit is not None]
    limits = format_html_join(
        "",
        '<line class="spec" x1="0" x2="{}" y1="{}" y2="{}"/>',
        ((WIDTH, y(limit), y(limit)) for limit in lines),
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}'
        '<polyline points="{}"/></svg>',
        WIDTH,
        HEIGHT,
        limits,
        points,
    )
