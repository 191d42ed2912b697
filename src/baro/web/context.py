"""What every template may use."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone, translation

VERSION = version("baro")


def shell(request: HttpRequest) -> dict[str, Any]:
    """Language, clock and version for the frame of the page."""
    language = (translation.get_language() or "ko")[:2]
    return {
        "language": language,
        "languages": settings.LANGUAGES,
        "now": timezone.now(),
        "version": VERSION,
        "here": request.get_full_path(),
    }
