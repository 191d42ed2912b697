"""What every template may use."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.naming import zone_name
from baro.apps.people.middleware import PASSWORD_DAYS_KEY
from baro.apps.people.queries import misuse_of_late
from baro.apps.people.rights.queries import notices
from baro.apps.people.roles import Permission

VERSION = version("baro")


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the main menu: shown to whoever has the permission, marked when the page's `section` is its own."""

    section: str
    url: str
    label: str | Promise
    permission: Permission = Permission.VIEW


MENU = (
    Place("overview", "overview", _("Plant overview")),
    Place("lots", "release:lots", _("Lots")),
    Place("audit", "ledger:audit", _("Audit trail")),
    Place("archive", "release:archive", _("Archive")),
    Place("systems", "plant:systems", _("Systems")),
    Place("people", "people:people", _("People and rights"), Permission.REVIEW_ACCESS),
    Place("attempts", "people:attempts", _("Attempts to sign in"), Permission.MANAGE_PEOPLE),
    Place("integrity", "log:integrity", _("Integrity")),
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


def _menu(request: HttpRequest) -> list[Place]:
    # a request that is refused at the door has no user yet
    user = getattr(request, "user", None)
    return [place for place in MENU if user.may(place.permission)] if user and user.is_authenticated else []


def _notices(request: HttpRequest) -> list[tuple[str, str]]:
    """What waits for this person's hand, on whole pages only."""
    user = getattr(request, "user", None)
    part = "HX-Request" in request.headers
    return notices(user) if user and user.is_authenticated and not part else []
