"""The page of trends. What it draws it asks of the REST interface."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from baro.apps.people.roles import Permission
from baro.apps.plant.trends.exports import Form
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

MODES = (("time", _("Over time")), ("lots", _("Lots compared")), ("spectra", _("Spectra")))
SCRIPTS = {
    "time": "baro/js/trendlive.js",
    "lots": "baro/js/trendlots.js",
    "spectra": "baro/js/trendspectra.js",
}
EMPTY = {
    "time": _(
        "Nothing is chosen yet. Search for a tag by its name, its source, its equipment or its unit, and add it."
    ),
    "lots": _("Nothing is chosen yet. Add a tag, and choose two lots or more to lay them over each other."),
    "spectra": _("There are no spectra here. Choose a source and a lot."),
}
"""What is said where nothing is drawn."""


@require_GET
def trends(request: HttpRequest) -> HttpResponse:
    """The address holds the view: tags, and from when to when; lots and what they are aligned by; or spectra."""
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)
    mode = request.GET.get("mode", "time")
    mode = mode if mode in EMPTY else "time"
    page = {
        "section": "trends",
        "mode": mode,
        "script": SCRIPTS[mode],
        "modes": MODES,
        "empty": EMPTY[mode],
        "words": words(),
        "spans": SPANS,
        "forms": list(Form),
        "may_annotate": request.user.may(Permission.ANNOTATE),
    }
    return render(request, "plant/trends.html", page)
