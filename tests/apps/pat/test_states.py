"""The tables of states: as the page shows them, and as the services are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.db import models

from baro.apps.pat import services
from baro.apps.pat.services import searches
from baro.apps.pat.states import ANSWERED, OPEN, STEPS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "pat.md"


def states_of(model: type[models.Model]) -> set[str]:
    for name in ("status", "state"):
        if name in {field.name for field in model._meta.get_fields()}:
            return {str(value) for value, _ in model._meta.get_field(name).choices}
    return {OPEN, ANSWERED}


@pytest.mark.parametrize("model", STEPS, ids=lambda model: model.__name__)
def test_every_state_is_reached_and_every_step_has_its_service(model: type[models.Model]) -> None:
    states = states_of(model)
    assert {step.after for step in STEPS[model]} == states
    assert {step.before for step in STEPS[model]} <= states | {None}
    for step in STEPS[model]:
        assert callable(getattr(services, step.service, None) or getattr(searches, step.service)), step.service


@pytest.mark.parametrize("model", STEPS, ids=lambda model: model.__name__)
def test_the_page_shows_the_table(model: type[models.Model]) -> None:
    (section,) = re.findall(rf"^### {model.__name__}\n(.*?)(?=^#)", PAGE.read_text() + "\n#", re.MULTILINE | re.DOTALL)
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in section.strip().splitlines()[2:]]
    words = {True: "yes", False: "no"}
    wanted = [
        [
            step.before or "(new)",
            step.after,
            step.service,
            step.permission or "the program",
            words[step.signed],
            words[step.other],
        ]
        for step in STEPS[model]
    ]
    assert [row for row in rows if len(row) == 6] == [list(map(str, row)) for row in wanted]
