"""Verifying the log in the background, as the pages ask for it.

There is one log for all companies, so one verification is under way at a time in the whole installation. Whoever asks
meanwhile gets its result: each company has a record of its own of it, and sees that of no other.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from django.db import connections
from django.utils import timezone
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from baro.apps.ledger.log.publishing import LATEST
from baro.apps.ledger.log.verification import snapshot, verify_log
from baro.apps.ledger.models import VerificationRun
from baro.apps.ledger.services import Actor, Program, change, reading
from baro.config import config

log = logging.getLogger(__name__)

TASK = "ledger.verify_log"
WHY = "verification of the log"
STEPS = 10
"""Progress is written down so many times: each is a change of a record."""
AGAIN_S = 2


class Busy(Exception):
    """A verification is under way in another process. Its result will be this run's, or there will be another."""


class Asked(NamedTuple):
    """Which company's run."""

    company: str
    run: str


def start(actor: Actor) -> VerificationRun:
    """Have the log verified by the worker. One of the company that is under way is taken instead of another."""
    with change(actor, WHY, "view"):
        for run in VerificationRun.objects.order_by("-started_at")[:1]:
            if not run.over and (timezone.now() - run.started_at).total_seconds() < 3600:
                return run
        run = VerificationRun.objects.create(
            company_id=actor.company_id, started_at=timezone.now(), started_by=actor.display_name
        )
        verify.defer(company=str(actor.company_id), run=str(run.id))
        return run


@app.task(name=TASK, retry=RetryStrategy(wait=AGAIN_S, retry_exceptions=[Busy]))
def verify(company: str, run: str) -> None:
    """Verify the log and write down what came out, for this run and for all that were asked for meanwhile."""
    if _is_over(company, run):  # by a verification that was under way when it was asked for
        return
    with snapshot("reader"), connections["reader"].cursor() as cursor:
        # one at a time, in whatever process; the lock ends with the transaction, however that ends
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended('baro.ledger.verification', 0))")
        if not cursor.fetchone()[0]:
            raise Busy
        _verify(Asked(company, run))


def _verify(asked: Asked) -> None:
    State = VerificationRun.State
    begun, told = timezone.now(), 0
    _note({asked}, state=State.RUNNING, started_at=begun)

    def progress(done: int, total: int) -> None:
        nonlocal told
        step = STEPS * done // total
        if step > told:
            told = step
            _note({asked, *_waiting()}, state=State.RUNNING, percent=100 * step // STEPS)

    try:
        # the reader's connection holds one snapshot for the whole time, progress goes by another
        report = verify_log(using="reader", outside=_kept_outside(), progress=progress)
    except Exception:
        log.exception("the verification of the log broke off")
        _note({asked}, state=State.FAILED, ended_at=timezone.now())
        raise
    _note(
        {asked, *_waiting()},
        state=State.EQUAL if report.ok else State.DIFFERENT,
        # what was written since is not in it, whenever somebody asked
        started_at=begun,
        ended_at=timezone.now(),
        percent=100,
        size=report.size,
        root=report.root.hex(),
        pending=report.pending,
        rows=[[str(check), done, wrong] for check, done, wrong in report.rows()],
        findings=[str(finding) for finding in report.findings],
    )


def _kept_outside() -> list[tuple[str, str]]:
    """The newest checkpoint in the folder off the server, when it can be read from here."""
    if not config().checkpoint_dir:
        return []
    path = Path(config().checkpoint_dir) / LATEST
    try:
        return [(str(path), path.read_text(encoding="utf-8"))]
    except (OSError, UnicodeDecodeError):
        return []


def _waiting() -> set[Asked]:
    """The runs, of all companies, that wait for a worker."""
    jobs = ProcrastinateJob.objects.filter(task_name=TASK, status="todo").values_list("args", flat=True)
    return {Asked(args["company"], args["run"]) for args in jobs}


def _is_over(company: str, run: str) -> bool:
    with reading(UUID(company)):
        return VerificationRun.objects.get(id=run).over


def _note(asked: set[Asked], **fields: object) -> None:
    """Write this down for each of the runs that is not over, in the name of its own company."""
    for one in asked:
        with change(Program("baro worker", UUID(one.company)), WHY):
            for run in VerificationRun.objects.filter(id=one.run):
                if not run.over:
                    VerificationRun.objects.filter(id=one.run).update(**fields)
