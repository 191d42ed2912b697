"""What a command needs before it can work: the database, and Django."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time

from baro import logs
from baro.config import config
from baro.gxp import EmbeddedRefused


def find_database() -> None:
    """Without BARO_DATABASE_URL the database is the embedded one: start it unless it runs, for as long as we do.

    Raises EmbeddedRefused in GxP mode.
    """
    if config().database_url:
        return
    if config().gxp:
        raise EmbeddedRefused
    from baro.database.embedded import EmbeddedServer

    server = EmbeddedServer(config().home / "postgres")
    if not server.running:
        atexit.register(server.stop)
    os.environ["BARO_DATABASE_URL"] = server.start()
    config.cache_clear()


def setup_django() -> None:
    """Make Django ready for a command that works with records."""
    find_database()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "baro.settings")
    import django

    django.setup()


def prepare() -> None:
    """What every long-running program does first."""
    logs.configure()
    if os.environ.get("BARO_FOLLOW_PARENT"):
        threading.Thread(target=_follow_parent, args=(os.getppid(),), daemon=True).start()


def _follow_parent(parent: int) -> None:
    """End when the process that started this one is gone, so that no program is left behind."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def stop_event() -> threading.Event:
    """An event that is set when this process is asked to end."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
