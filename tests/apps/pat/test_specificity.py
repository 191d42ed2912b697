"""What is not the product: named by the protocol, refused by the model's limits, counted in the run and its report."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from pypdf import PdfReader
from scipy import stats

from baro.apps.ledger.services import reading
from baro.apps.pat.errors import CriteriaInvalid, DataInvalid, DataSetClosed, TestOverlaps
from baro.apps.pat.models import Protocol, ValidationRun
from baro.apps.pat.report import render_report
from baro.apps.pat.samples import Row
from baro.apps.pat.services import draft_protocol, operator_for, protocol_content, run_protocol
from tests.apps.pat.making import AXIS, CRITERIA, Room, rows

SPECIFIC = [*CRITERIA, {"figure": "specificity", "comparison": "at_least", "limit": 60.0}]


def materials() -> list[Row]:
    """Six each: placebo without the substance's band, another substance with a band elsewhere, and the product."""
    made = rows(3, 6, seed=21, first=901, prefix="M")
    out = []
    for i, row in enumerate(made):
        kind = ("placebo", "other substance", "the product")[i // 6]
        band = row.reference / 100.0 * np.exp(-(((AXIS - 1200.0) / 25.0) ** 2))  # type: ignore[operator]
        spectrum = row.spectrum.astype(np.float64)
        if kind != "the product":
            spectrum = spectrum - band
        if kind == "other substance":
            spectrum = spectrum + np.exp(-(((AXIS - 1270.0) / 15.0) ** 2))
        out.append(replace(row, batch=kind, reference=None, spectrum=spectrum.astype(np.float32)))
    return out


def test_a_protocol_names_what_is_not_the_product_and_the_run_counts_it(room: Room) -> None:
    model = room.model()
    others = room.frozen("others", materials(), "specificity", reference_method="")
    test_set = room.frozen("test-1", rows(4, seed=9, first=101), "test")
    drafted = draft_protocol(room.scientist, model, test_set, SPECIFIC, "validation", others)
    with reading(room.plant.company):
        assert protocol_content(Protocol.objects.get(id=drafted.id))["others"] == others.digest
    run = run_protocol(room.scientist, room.fixed(drafted).id, "validation")
    found = run.results["others"]
    # the same by the operator itself
    with reading(room.plant.company):
        operator = operator_for(model.digest)
    seen = operator.predict_block(np.stack([row.spectrum for row in materials()]))
    assert [one["refused"] for one in found] == [not inside for inside in seen.inside]
    assert [one["t2"] for one in found] == pytest.approx(seen.t2)
    limits = operator.limits
    above = (seen.t2 > limits.t2_outlier) | (seen.q > limits.q_outlier)
    assert [one["by_t2"] or one["by_q"] for one in found] == above.tolist()
    # what is wrong is refused; the product among it is not, and so the figure says less than all
    kinds = {row.batch for row in materials()}
    refused = {kind: sum(one["refused"] for one in found if one["material"] == kind) for kind in kinds}
    assert (refused["placebo"], refused["other substance"]) == (6, 6)
    assert refused["the product"] <= 1
    count = sum(refused.values())
    figures = run.results["figures"]
    assert figures["specificity"] == pytest.approx(100.0 * count / 18)
    interval = stats.binomtest(count, 18).proportion_ci(0.95, "exact")
    assert figures["intervals"]["specificity"] == pytest.approx([100 * interval.low, 100 * interval.high])
    verdict = next(one for one in run.results["verdicts"] if one["figure"] == "specificity")
    assert (verdict["decided"], verdict["passed"], run.passed) == (True, True, True)
    with reading(room.plant.company):
        kept = ValidationRun.objects.select_related("protocol__model", "protocol__test_set", "run_by").get(id=run.id)
        report = render_report(kept)
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(report)).pages).replace("\u200b", "")
    for words in ("other substance", "placebo", others.digest[:20], "n = 18"):
        assert words in text


def test_sets_that_tell_nothing_of_specificity_are_refused(room: Room) -> None:
    model = room.model()
    test_set = room.frozen("test-1", rows(4, seed=9, first=101), "test")

    def draft(others: object, criteria: object = SPECIFIC) -> None:
        draft_protocol(room.scientist, model, test_set, criteria, "validation", others)  # type: ignore[arg-type]

    with pytest.raises(CriteriaInvalid, match="other materials"):
        draft(None)
    with pytest.raises(DataInvalid, match="no set of other materials"):
        draft(room.frozen("standards", rows(3, 3, first=501), "transfer"))
    with pytest.raises(DataSetClosed):
        draft(room.data_set("draft", materials(), "specificity"))
    with pytest.raises(TestOverlaps, match="1 of its spectra"):
        draft(room.frozen("mixed", [*materials(), rows()[0]], "specificity"))
    other_axis = [replace(row, spectrum=row.spectrum[:30]) for row in materials()]
    with pytest.raises(DataInvalid, match="another axis"):
        draft(room.frozen("short", other_axis, "specificity", axis=AXIS[:30]))
    with reading(room.plant.company):
        assert not Protocol.objects.exists()


def test_without_such_a_set_a_signature_stands_for_what_it_did(room: Room) -> None:
    protocol = room.protocol(room.model())
    with reading(room.plant.company):
        content = protocol_content(Protocol.objects.get(id=protocol.id))
    assert sorted(content) == ["criteria", "drafted_by", "model", "test_set"]
