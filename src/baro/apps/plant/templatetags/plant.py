"""How values that a server offers are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from django import template

from baro.edge.driver import Node

register = template.Library()
DIGITS = 6
TEXT_MOST = 60


@register.filter
def shown_value(node: Node) -> str:
    """A node's value with its unit, or the word of its state."""
    if node.labels and isinstance(node.value, float) and 0 <= node.value < len(node.labels):
        return f"{node.labels[int(node.value)]} ({node.value:.0f})"
    return f"{plain_value(node.value)} {node.unit if node.kind != 'spectrum' else ''}".strip()


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
