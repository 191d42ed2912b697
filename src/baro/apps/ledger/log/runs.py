"""Verifying the log in the background, as the page asks for it."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import UUID

from django.utils import timezone
from procrastinate.contrib.django import app

from baro.apps.ledger.log.publishing import LATEST
from baro.apps.ledger.log.verification import verify_log
from baro.apps.ledger.models import VerificationRun
from baro.apps.ledger.services import Actor, Program, change
from baro.config import config

log = logging.getLogger(__name__)

STEPS = 10
"""Progress is written down so many times: each is a change of a record."""


def start(actor: Actor) -> VerificationRun:
    """Have the log verified by the worker. One that is under way is taken instead of another."""
    with change(actor, "verification of the log", "view"):
        for run in VerificationRun.objects.order_by("-started_at")[:1]:
            if not run.over and (timezone.now() - run.started_at).total_seconds() < 3600:
                return run
        run = VerificationRun.objects.create(
            company_id=actor.company_id, started_at=timezone.now(), started_by=actor.display_name
        )
        verify.defer(company=str(actor.company_id), run=str(run.id))
        return run


@app.task(name="ledger.verify_log")
def verify(company: str, run: str) -> None:
    """Verify the log and write down what came out."""
    State = VerificationRun.State
    _note(company, run, state=State.RUNNING)
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        step = STEPS * done // total
        if step > told:
            told = step
            _note(company, run, percent=100 * step // STEPS)

    try:
        # the reader's connection holds one snapshot for the whole time, progress goes by another
        report = verify_log(using="reader", outside=_kept_outside(), progress=progress)
    except Exception:
        log.exception("the verification of the log broke off")
        _note(company, run, state=State.FAILED, ended_at=timezone.now())
        raise
    _note(
        company,
        run,
        state=State.EQUAL if report.ok else State.DIFFERENT,
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


def _note(company: str, run: str, **fields: object) -> None:
    with change(Program("baro worker", UUID(company)), "verification of the log"):
        VerificationRun.objects.filter(id=run).update(**fields)
