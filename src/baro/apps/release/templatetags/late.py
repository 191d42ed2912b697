"""What came late of a lot, on whatever page of it."""

from __future__ import annotations

from django import template

from baro.apps.manufacturing.models import Lot
from baro.apps.release.late import arrivals
from baro.apps.release.models import LateArrival

register = template.Library()


@register.simple_tag
def late_arrivals(lot: Lot) -> list[LateArrival]:
    """What came after the decision on a lot, the newest first."""
    return list(arrivals().filter(lot=lot))
