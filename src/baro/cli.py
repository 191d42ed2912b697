"""``baro …``: every program of the plant as a command."""

from __future__ import annotations

import os

from cyclopts import App

app = App(name="baro", help="Baro: from the analyser to the signed release.")


def setup_django() -> None:
    """Make Django ready for a command that works with records."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "baro.settings")
    import django

    django.setup()


def main() -> None:
    """Entry point of the `baro` script."""
    app()
