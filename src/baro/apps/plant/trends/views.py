"""The page of trends. What it draws it asks of the REST interface."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from baro.apps.people.roles import Permission
from baro.apps.plant.trends.words import words

SPANS = (
    (60, _("1 min")),
    (900, _("15 min")),
    (3600, _("1 h")),
    (8 * 3600, _("8 h")),
    (86_400, _("1 d")),
    (7 * 86_400, _("7 d")),
    (30 * 86_400, _("30 d")),
    (366 * 86_400, _("1 y")),
)
"""Stretches of time to choose, in seconds."""


@require_GET
def trends(request: HttpRequest) -> HttpResponse:
    """The address holds the view: tags, and from when to when."""
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)
    return render(request, "plant/trends.html", {"section": "trends", "words": words(), "spans": SPANS})
