"""How values that a server offers are shown, and how far sources are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from django import template
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from baro.apps.plant.connections.problems import STATUSES, offered
from baro.apps.plant.connections.watermarks import Mark, Strip
from baro.apps.plant.connections.words import GAPS
from baro.edge.driver import Node

register = template.Library()
register.filter(offered)
DIGITS = 6
TEXT_MOST = 60


@register.filter
def shown_value(node: Node) -> str:
    """A node's value with its unit, or the word of its state."""
    if node.labels and isinstance(node.value, float) and 0 <= node.value < len(node.labels):
        return f"{node.labels[int(node.value)]} ({node.value:.0f})"
    return f"{plain_value(node.value)} {node.unit if node.kind != 'spectrum' else ''}".strip()


@register.filter
def state_words(node: Node) -> str:
    """Why a node's value is none of the process, where that is known."""
    return str(STATUSES.get(node.quality, ""))


@register.filter
def plain_value(value: Any) -> str:
    """A number, a text or an array, shortened."""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    if isinstance(value, np.ndarray):
        return f"{len(value)} × {np.nanmin(value):.4g} … {np.nanmax(value):.4g}" if len(value) else "0 ×"
    text = str(value)
    return text if len(text) <= TEXT_MOST else f"{text[:TEXT_MOST]}…"


@register.filter
def unlocalized(value: float) -> str:
    """A number as a form field takes it."""
    return f"{value:g}"


def _local(time: datetime | None) -> str:
    """In the zone of the plant, which stands in the table's caption."""
    return date_format(timezone.localtime(time), "m-d H:i:s") if time else ""


@register.simple_tag
def watermark(mark: Mark | None) -> SafeString:
    """A cell: number and time up to which a source is."""
    if mark is None:
        return format_html('<td><span class="quiet">{}</span></td>', _("nothing yet"))
    epoch = _(" (epoch %(epoch)d)") % {"epoch": mark.epoch} if mark.epoch else ""
    return format_html(
        '<td class="num"><span class="seq">{}{}</span><br><span class="small quiet time">{}</span></td>',
        f"{mark.seq:,}",
        epoch,
        _local(mark.at),
    )


@register.filter
def gap_words(strip: Strip) -> str:
    """How many gaps, and how long they were together."""
    return _("%(count)d in 24 h, %(minutes)s min") % {
        "count": len(strip.parts),
        "minutes": f"{strip.seconds / 60:,.1f}",
    }


@register.simple_tag
def gap_strip(strip: Strip) -> SafeString:
    """The last 24 h as a strip, gaps as marks in it. What it shows stands in words beside it."""
    parts = format_html_join(
        "",
        '<rect class="gap{}" x="{}" width="{}" y="0" height="10"><title>{}</title></rect>',
        (
            (
                "" if part.gap.ended_at else " open",
                f"{part.left:.3f}",
                f"{part.width:.3f}",
                f"{_local(part.gap.started_at)} – {_local(part.gap.ended_at)} {GAPS[part.gap.reason]}",
            )
            for part in strip.parts
        ),
    )
    return format_html(
        '<svg class="gapstrip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        _("Gaps of the last 24 h"),
        parts,
    )
