"""Work of the plant room that the worker runs from the queue."""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import connection
from procrastinate.contrib.django import app

from baro.apps.people.queries import companies
from baro.apps.plant.context.follow import follow
from baro.apps.plant.files.checking import check_files

log = logging.getLogger(__name__)


@app.task(name="plant.check_files")
def check_company(company: str) -> None:
    """Hash the journals and stored files of stand-alone instruments again."""
    check_files(UUID(company))


@app.periodic(cron="37 2 * * *")
@app.task(name="plant.check_all_files", queueing_lock="plant.check_all_files")
def check_all_files(timestamp: int) -> None:
    """The same for every company, each night. One whose storage is in trouble keeps it from no other."""
    for company in companies():
        try:
            check_files(company)
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("the stored files of a company were not checked")


@app.periodic(cron="* * * * *")
@app.task(name="plant.follow_context", queueing_lock="plant.follow_context", lock="plant.follow_context")
def follow_context(timestamp: int) -> None:
    """Make the intervals of batches and phases of what the equipment reported since."""
    for company in companies():
        try:
            follow(company)
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("what the equipment of a company reported was not made into intervals")
