"""Searches for a model: asked for by a person, run by the worker, stopped and resumed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app

from baro.apps.ledger.services import Program, change
from baro.apps.pat.errors import RecipeInvalid, StepNotOpen
from baro.apps.pat.models import DataSet, Method, Search
from baro.apps.pat.reasons import reason_words
from baro.apps.pat.services.models import check_fits
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.science.chemometrics.search import Progress, SearchSpace
from baro.science.errors import ScienceError

TASK = "pat.search"
SILENT_S = 120
"""A search that runs and has told nothing for so long has lost its worker, and may be resumed."""
WHY = "search for a model"


def start_search(
    user: User, method: Method, data_set: DataSet, space: Mapping[str, Any], seed: int, reason: str
) -> Search:
    """Have the worker search for a model on a frozen calibration set.

    Raises what `build_model` raises of the data set, and RecipeInvalid for a space that cannot be searched.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    try:
        wanted = SearchSpace.parse(space).to_json()
    except ScienceError as error:
        raise RecipeInvalid(detail=reason_words(error)) from error
    with change(user, reason, Permission.DEVELOP_MODEL):
        method = Method.objects.get(id=method.id)
        data_set = DataSet.objects.select_related("instrument").get(id=data_set.id)
        check_fits(method, data_set)
        search = Search.objects.create(
            company_id=user.company_id, method=method, data_set=data_set, space=wanted, seed=seed, asked_by=user
        )
        _queue(search)
    return search


def stop_search(user: User, search_id: UUID, reason: str) -> Search:
    """Have it end after the candidate it is at; what is done is kept. Raises StepNotOpen for one that is over."""
    with change(user, reason, Permission.DEVELOP_MODEL):
        search = Search.objects.select_for_update().get(id=search_id)
        if search.state not in (Search.State.WAITING, Search.State.RUNNING):
            raise StepNotOpen(detail=_("the search is over"))
        search.state, search.ended_at = Search.State.STOPPED, timezone.now()
        search.save(update_fields=["state", "ended_at"])
    return search


def resume_search(user: User, search_id: UUID, reason: str) -> Search:
    """Let it go on where it was. Raises StepNotOpen for one that is done or under way."""
    with change(user, reason, Permission.DEVELOP_MODEL):
        search = Search.objects.select_for_update().get(id=search_id)
        lost = (
            search.state == Search.State.RUNNING
            and search.told_at is not None
            and timezone.now() - search.told_at > timedelta(seconds=SILENT_S)
        )
        if search.state not in (Search.State.STOPPED, Search.State.FAILED) and not lost:
            raise StepNotOpen(detail=_("the search is done, or under way"))
        search.state, search.ended_at, search.problem = Search.State.WAITING, None, ""
        search.attempt += 1
        search.save(update_fields=["state", "ended_at", "problem", "attempt"])
        _queue(search)
    return search


def take_search(company: UUID, search_id: UUID, attempt: int) -> Search | None:
    """For the worker: the search to be run, marked as running; None when it was stopped or resumed meanwhile."""
    with change(Program("baro worker", company), WHY):
        search = Search.objects.select_for_update(of=("self",)).select_related("data_set", "method").get(id=search_id)
        if search.state != Search.State.WAITING or search.attempt != attempt:
            return None
        search.state, search.told_at = Search.State.RUNNING, timezone.now()
        search.save(update_fields=["state", "told_at"])
    return search


def note_progress(search: Search, progress: Progress) -> bool:
    """For the worker: how far it is, with all results so far by rank. False: it is to stop."""
    with change(Program("baro worker", search.company_id), WHY):
        found = _of_attempt(search)
        if found is None or found.state not in (Search.State.RUNNING, Search.State.STOPPED):
            return False
        _keep(found, progress)
        return found.state == Search.State.RUNNING


def end_search(search: Search, last: Progress | None, problem: str = "") -> None:
    """For the worker: it is done, or failed by a `problem`. One that was stopped stays so, with what was done."""
    with change(Program("baro worker", search.company_id), WHY):
        found = _of_attempt(search)
        if found is None or found.state not in (Search.State.RUNNING, Search.State.STOPPED):
            return
        if last is not None:
            _keep(found, last)
        if found.state == Search.State.RUNNING or (last is not None and last.complete):
            found.state = Search.State.FAILED if problem else Search.State.DONE
            found.problem, found.ended_at = problem, timezone.now()
            found.save(update_fields=["state", "problem", "ended_at"])


def _of_attempt(search: Search) -> Search | None:
    """The search as it is now, unless it was resumed meanwhile."""
    found = Search.objects.select_for_update().defer("results", "space").get(id=search.id)
    return found if found.attempt == search.attempt else None


def _keep(found: Search, progress: Progress) -> None:
    found.done, found.candidates, found.left_out = progress.done, progress.of, progress.left_out
    found.results, found.told_at = progress.ranked, timezone.now()
    found.warnings = [finding.to_json() for finding in progress.findings]
    found.comparison = dict(progress.comparison)
    found.save(update_fields=["done", "candidates", "left_out", "results", "told_at", "warnings", "comparison"])


def _queue(search: Search) -> None:
    app.configure_task(TASK, allow_unknown=False).defer(
        company=str(search.company_id), search=str(search.id), attempt=search.attempt
    )
