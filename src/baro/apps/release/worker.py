"""The worker process: predicts and judges what the database tells of, runs tasks, keeps the log, watches the clock."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from uuid import UUID

import psycopg
from django.db import Error, close_old_connections, connection
from procrastinate.contrib.django import app as tasks

from baro.apps.ledger.log.keeper import keep as keep_log
from baro.apps.plant.clock.watch import run as watch_clock
from baro.apps.release.online import Online
from baro.database.roles import Role, conninfo

log = logging.getLogger(__name__)

CHANNELS = ("baro_blocks", "baro_events")
IDLE_S = 1.0
RETRY_S = 0.5


def run(url: str, stop: threading.Event) -> None:
    """Work until `stop` is set. A database that is gone, or not yet set up, is waited for."""
    queue = threading.Thread(target=_run_tasks, args=(stop,), name="tasks", daemon=True)
    queue.start()
    ledger = threading.Thread(target=keep_log, args=(stop,), name="log", daemon=True)
    ledger.start()
    clock = threading.Thread(target=watch_clock, args=(stop,), name="clock", daemon=True)
    clock.start()
    while not stop.is_set():
        try:
            with psycopg.connect(conninfo(url, Role.APP, "baro worker"), autocommit=True) as listener:
                for channel in CHANNELS:
                    listener.execute(f"LISTEN {channel}")
                _follow(listener, stop)
        except (psycopg.Error, Error) as error:
            log.warning("the database is not ready, trying again: %s", error)
            connection.close()
            stop.wait(RETRY_S)
        except Exception:
            log.exception("unexpected, beginning anew")
            connection.close()
            stop.wait(RETRY_S)
    queue.join(timeout=10)
    ledger.join(timeout=15)
    clock.join(timeout=10)


def _follow(listener: psycopg.Connection, stop: threading.Event) -> None:
    """Work for every company until `stop` is set. What goes wrong in one of them stops none of the others: it
    is begun anew a little later. Raises when the database is gone."""
    working: dict[UUID, Online] = {}
    resting: dict[UUID, float] = {}
    while not stop.is_set():
        with connection.cursor() as cursor:
            cursor.execute("SELECT people_companies()")
            companies = [company for (company,) in cursor.fetchall()]
        for company in companies:
            if time.monotonic() < resting.get(company, 0.0):
                continue
            try:
                if company not in working:
                    online = Online(company)
                    online.prepare()
                    working[company] = online
                while working[company].step() and not stop.is_set():
                    pass
            except Exception:
                if not connection.is_usable():
                    raise
                log.exception("company %s: the work is begun anew", company)
                working.pop(company, None)
                resting[company] = time.monotonic() + RETRY_S
        # whatever came while we worked is one reason to look again, not many
        for _ in listener.notifies(timeout=IDLE_S, stop_after=1):
            pass


def _run_tasks(stop: threading.Event) -> None:
    """Run queued tasks until `stop` is set, starting again when the database went away."""

    async def work() -> None:
        with tasks.replace_connector(tasks.connector.get_worker_connector()) as app:
            async with app.open_async():
                job = asyncio.create_task(app.run_worker_async(install_signal_handlers=False, concurrency=1))
                while not stop.is_set() and not job.done():
                    await asyncio.sleep(0.2)
                job.cancel()
                await asyncio.wait([job])
                if not job.cancelled() and (error := job.exception()):
                    raise error

    while not stop.is_set():
        try:
            asyncio.run(work())
        except Exception as error:
            log.warning("queued tasks wait: %s", error)
            stop.wait(RETRY_S)
        finally:
            close_old_connections()
