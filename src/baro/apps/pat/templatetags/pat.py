"""What pages of this room ask for themselves."""

from __future__ import annotations

from django import template

from baro.apps.pat import next_steps
from baro.apps.pat.models import DataSet

register = template.Library()


@register.simple_tag
def next_of_data_set(data_set: DataSet) -> next_steps.Next | None:
    """What the data set is there for next."""
    return next_steps.next_of_data_set(data_set)
