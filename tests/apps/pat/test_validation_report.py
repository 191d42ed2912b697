"""The run of a validation, its figures, and its report as a printed record."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from baro.apps.ledger.sealing import SealFinding, look
from baro.apps.ledger.services import reading
from baro.apps.pat.errors import CriteriaInvalid
from baro.apps.pat.models import ValidationRun
from baro.apps.pat.report import render_report, sealed_report
from baro.apps.pat.services import run_protocol
from tests.apps.pat.making import Room, rows


def test_a_run_keeps_every_figure_with_its_interval_and_is_printed(room: Room) -> None:
    model = room.model()
    wanted = [
        {"figure": "rmsep", "comparison": "at_most", "limit": 2.0},
        {"figure": "slope", "comparison": "within", "low": 0.9, "high": 1.1},
        {"figure": "repeatability", "comparison": "at_most", "limit": 1.0},
    ]
    protocol = room.fixed(room.protocol(model, criteria=wanted))
    run = run_protocol(room.scientist, protocol.id, "validation")
    figures = run.results["figures"]
    for name in ("rmsep", "bias", "sep", "slope", "intercept", "r2", "rpd", "outside"):
        low, high = figures["intervals"][name]
        assert low <= figures[name] <= high
    assert {row["fault"] for row in figures["faults"]} == {"noise", "shift", "offset", "scale", "slope"}
    # no sample was measured again, so the criterion is undecided and the run is not passed
    assert [(one["passed"], one["decided"]) for one in run.results["verdicts"]] == [
        (True, True),
        (True, True),
        (False, False),
    ]
    assert not run.passed
    with reading(room.plant.company):
        kept = ValidationRun.objects.select_related("protocol__model", "protocol__test_set", "run_by").get(id=run.id)
        first, second = render_report(kept), render_report(kept)
        sealed = sealed_report(kept)
    assert first == second
    assert sealed.startswith(first)
    assert look(sealed, first) == SealFinding.VALID
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(first)).pages)
    # a digest may break anywhere
    text = text.replace("\u200b", "")
    for words in ("밸리데이션 보고서", "Validation report", model.digest[:24], "RMSEP", "B101-1"):
        assert words in text


def test_criteria_are_refused_in_words(room: Room) -> None:
    model = room.model()
    with pytest.raises(CriteriaInvalid, match="PAT-0008"):
        room.protocol(model, room.frozen("t", rows(4, seed=9, first=101), "test"), [])
