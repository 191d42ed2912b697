"""Work of the people room that the worker does by itself."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from procrastinate.contrib.django import app


@app.periodic(cron="17 3 * * *")
@app.task(name="people.clear_sessions", queueing_lock="people.clear_sessions")
def clear_sessions(timestamp: int) -> None:
    """Take what browsers held out of the database once its time is over; the records of sessions stay.

    Everybody who opens the sign-in page may begin such a row, so that without this the table only grows.
    """
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
