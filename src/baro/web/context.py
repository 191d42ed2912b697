"""What every template may use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.naming import zone_name
from baro.apps.pat.next_steps import notices as model_notices
from baro.apps.people.middleware import PASSWORD_DAYS_KEY
from baro.apps.people.queries import misuse_of_late
from baro.apps.people.rights.queries import notices
from baro.apps.people.roles import Permission
from baro.apps.plant.files.queries import notices as file_notices
from baro.apps.release.late import notices as late_notices

VERSION = version("baro")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the main menu: shown to whoever has the permission, marked when the page's `section` is its own.

    group: the list that it is in; those without one stand in the header themselves.
    """

    section: str
    url: str
    label: str | Promise
    permission: Permission = Permission.VIEW
    group: str | Promise = ""


PLANT, RECORDS, ADMINISTRATION, PAT = _("Plant"), _("Records"), _("Administration"), "PAT"
MENU = (
    Place("overview", "overview", _("Plant overview")),
    Place("lots", "release:lots", _("Lots")),
    Place("trends", "plant:trends", _("Trends")),
    Place("context", "plant:context", _("Batches and phases"), group=PLANT),
    Place("connections", "plant:connections", _("Collection"), group=PLANT),
    Place("systems", "plant:systems", _("Systems"), group=PLANT),
    Place("pat-methods", "pat:methods", _("Methods"), group=PAT),
    Place("pat-data-sets", "pat:data-sets", _("Data sets"), group=PAT),
    Place("pat-deployments", "pat-models:deployments", _("Models in use"), group=PAT),
    Place("pat-upkeep", "pat-upkeep:models", _("Model upkeep"), group=PAT),
    Place("pat-health", "pat-upkeep:analysers", _("Analyser checks"), group=PAT),
    Place("pat-transfers", "pat:transfers", _("Calibration transfers"), group=PAT),
    Place("audit", "ledger:audit", _("Audit trail"), group=RECORDS),
    Place("archive", "release:archive", _("Archive"), group=RECORDS),
    Place("integrity", "log:integrity", _("Integrity"), group=RECORDS),
    Place("people", "people:people", _("People and rights"), Permission.REVIEW_ACCESS, ADMINISTRATION),
    Place("attempts", "people:attempts", _("Attempts to sign in"), Permission.MANAGE_PEOPLE, ADMINISTRATION),
)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Language, clock and version for the frame of the page."""
    language = (translation.get_language() or "ko")[:2]
    return {
        "language": language,
        "languages": settings.LANGUAGES,
        "now": timezone.now(),
        "zone": {"name": settings.TIME_ZONE, "label": zone_name(timezone.now())},
        "version": VERSION,
        "here": request.get_full_path(),
        "menu": _menu(request),
        "notices": _notices(request),
        **_warnings(request),
    }


def _warnings(request: HttpRequest) -> dict[str, Any]:
    """What a person has to know on whatever page: an old password, and for administrators attempts of misuse."""
    user = getattr(request, "user", None)
    if user is None or getattr(request, "web_session", None) is None:
        return {"misuse": 0, "password_days": None}
    return {
        "misuse": misuse_of_late() if user.may(Permission.MANAGE_PEOPLE) else 0,
        "password_days": request.session.get(PASSWORD_DAYS_KEY),
    }


def _menu(request: HttpRequest) -> list[tuple[str | Promise, list[Place]]]:
    """The groups of the menu as this person sees them; a list of one place needs no group."""
    # a request that is refused at the door has no user yet
    user = getattr(request, "user", None)
    if not user or not user.is_authenticated:
        return []
    groups = [(group, list(places)) for group, places in groupby(MENU, lambda place: place.group)]
    seen = [(group, [place for place in places if user.may(place.permission)]) for group, places in groups]
    return [("" if len(places) == 1 else group, places) for group, places in seen if places]


def _notices(request: HttpRequest) -> list[tuple[str, str]]:
    """What waits for this person's hand, on whole pages only."""
    user = getattr(request, "user", None)
    part = "HX-Request" in request.headers
    if not user or not user.is_authenticated or part:
        return []
    return late_notices(user) + notices(user) + model_notices(user) + file_notices(user)
