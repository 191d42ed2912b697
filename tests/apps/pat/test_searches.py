"""Searches: asked for, run, stopped, resumed."""

from __future__ import annotations

from typing import Any

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat import tasks
from baro.apps.pat.errors import DataSetClosed, RecipeInvalid, StepNotOpen
from baro.apps.pat.models import Search
from baro.apps.pat.reasons import kept_words
from baro.apps.pat.services import build_model, exclude_sample, resume_search, start_search, stop_search
from tests.apps.pat.making import Room, rows

SPACE: dict[str, Any] = {
    "chains": [[], [{"step": "snv"}], [{"step": "detrend"}], [{"step": "savgol", "window": 5}]],
    "components": 3,
    "folds": 4,
}


def asked(room: Room, space: dict[str, Any] = SPACE, seed: int = 7) -> Search:
    return start_search(room.scientist, room.method(), room.frozen("cal", rows()), space, seed, "which recipe")


def run(search: Search, attempt: int | None = None) -> None:
    tasks.search(company=str(search.company_id), search=str(search.id), attempt=attempt or search.attempt)


def test_a_search_is_queued_run_and_builds_a_model(room: Room) -> None:
    search = asked(room)
    method, data_set = search.method, search.data_set
    assert search.state == "waiting"
    job = ProcrastinateJob.objects.get(task_name="pat.search", args__search=str(search.id))
    assert job.args == {"company": str(room.plant.company), "search": str(search.id), "attempt": 0}
    run(search)
    search = room.again(search)
    assert (search.state, search.done, search.candidates, search.problem) == ("done", 4, 4, "")
    assert [one["rank"] for one in search.results] == [1, 2, 3, 4]
    assert {"grouped", "random", "mean"} <= set(search.comparison)
    best = search.results[0]
    model = build_model(room.scientist, method, data_set, best["recipe"], "the best", search)
    assert model.search_id == search.id
    with reading(room.plant.company):
        entries = AuditEntry.objects.filter(table_name="pat_search", record_id=str(search.id), action="update")
        assert {entry.actor for entry in entries} == {"baro worker"}


def test_the_same_seed_gives_the_same_results_stopped_or_not(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = asked(room)
    run(whole)
    other = start_search(room.scientist, whole.method, whole.data_set, SPACE, 7, "again")
    note = tasks.note_progress

    def stop_at_the_first(search: Search, progress: Any) -> bool:
        if progress.done == 1:
            stop_search(room.scientist, search.id, "enough for now")
        return note(search, progress)

    monkeypatch.setattr(tasks, "TELL_S", 0.0)
    monkeypatch.setattr(tasks, "SHARE", 0.0)
    monkeypatch.setattr(tasks, "note_progress", stop_at_the_first)
    run(other)
    stopped = room.again(other)
    assert stopped.state == "stopped"
    assert 1 <= stopped.done < 4
    assert len(stopped.results) == stopped.done
    monkeypatch.setattr(tasks, "note_progress", note)
    resumed = resume_search(room.scientist, other.id, "go on")
    assert (resumed.state, resumed.attempt) == ("waiting", 1)
    run(other)  # the job of the first attempt has nothing to do any more
    assert room.again(other).state == "waiting"
    run(resumed)
    ended, first = room.again(other), room.again(whole)
    assert ended.state == "done"
    assert ended.results == first.results
    assert ended.comparison == first.comparison


def test_a_search_on_other_data_than_it_began_with_fails_in_words(room: Room) -> None:
    search = asked(room)
    run(search)
    exclude_sample(room.scientist, search.data_set_id, "B1-1", "the cuvette was dirty")
    with change(Program("test", room.plant.company), "test"):
        Search.objects.update(state="stopped")
    resumed = resume_search(room.scientist, search.id, "go on")
    run(resumed)
    failed = room.again(search)
    assert failed.state == "failed"
    assert "other data" in kept_words(failed.problem)
    assert len(failed.results) == 4


def test_what_is_over_is_not_stopped_and_what_runs_is_not_resumed(room: Room) -> None:
    search = asked(room)
    with pytest.raises(StepNotOpen):
        resume_search(room.scientist, search.id, "go on")
    stop_search(room.scientist, search.id, "not needed")
    run(search)
    assert room.again(search).state == "stopped"
    with pytest.raises(StepNotOpen):
        stop_search(room.scientist, search.id, "again")


@pytest.mark.parametrize(
    "space",
    [
        {},
        {"chains": []},
        {"chains": [[{"step": "magic"}]]},
        {"chains": [[]], "components": 0},
        {"chains": [[]], "x": 1},
    ],
    ids=str,
)
def test_a_space_that_cannot_be_searched_is_refused(room: Room, space: dict[str, Any]) -> None:
    with pytest.raises(RecipeInvalid):
        asked(room, space)


def test_a_search_needs_the_permission_and_frozen_data(room: Room) -> None:
    method, draft = room.method(), room.data_set("draft", rows())
    with pytest.raises(DataSetClosed):
        start_search(room.scientist, method, draft, SPACE, 1, "which recipe")
    with pytest.raises(NotPermitted):
        start_search(room.plant.user("operator1"), method, draft, SPACE, 1, "which recipe")
