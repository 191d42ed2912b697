"""Work of the PAT room that the worker runs from the queue."""

from __future__ import annotations

import logging
import threading
import time
from uuid import UUID

from django.db import connection
from procrastinate.contrib.django import app

from baro.apps.ledger.services import reading
from baro.apps.pat.models import Search
from baro.apps.pat.reasons import kept
from baro.apps.pat.samples import Samples, load_used
from baro.apps.pat.services.searches import TASK, end_search, note_progress, take_search
from baro.apps.pat.services.watching import watch_models
from baro.apps.people.queries import companies
from baro.science.chemometrics.search import Progress, SearchSpace
from baro.science.chemometrics.search import search as progress_of
from baro.science.errors import ScienceError

log = logging.getLogger(__name__)

TELL_S = 1.0
"""Progress is written down no more often; as each is a change of a record, the more rarely the longer it runs."""
SHARE = 0.05


@app.periodic(cron="41 * * * *")
@app.task(name="pat.watch_models", queueing_lock="pat.watch_models")
def watch_all(timestamp: int) -> None:
    """Hold every model in use against its parallel tests and its limits. One company keeps the others from nothing."""
    for company in companies():
        try:
            watch_models(company)
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("the models of a company were not looked after")


@app.task(name=TASK)
def search(company: str, search: str, attempt: int) -> None:
    """Run a search until it is done or stopped. What is done is kept, and never computed again."""
    found = take_search(UUID(company), UUID(search), attempt)
    if found is None:
        return
    try:
        with reading(found.company_id):
            samples = load_used(found.data_set)
        last = _run(found, samples)
    except ScienceError as error:
        end_search(found, None, kept(error))
    except Exception as error:
        log.exception("the search %s broke off", search)
        end_search(found, None, type(error).__name__)
        raise
    else:
        end_search(found, last)


def _run(found: Search, samples: Samples) -> Progress | None:
    """Search and tell how far it is; the last that was found, None when there was nothing left to do."""
    stopped = threading.Event()
    begun = told = time.monotonic()
    progress = None
    for progress in progress_of(
        samples.axis,
        samples.spectra,
        samples.reference,
        samples.batch,
        SearchSpace.parse(found.space),
        seed=found.seed,
        measured_at=samples.measured_at if all(samples.measured_at) else None,
        samples=samples.sample,
        reference_error=found.data_set.reference_error,
        done=found.results,
        stop=stopped.is_set,
    ):
        now = time.monotonic()
        if now - told >= max(TELL_S, SHARE * (now - begun)):
            told = now
            if not note_progress(found, progress):
                stopped.set()
    return progress
