"""Methods and models: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from baro.apps.ledger.errors import NotPermitted, RecordChanged, WrongPassword
from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat.artefacts import shipped_model
from baro.apps.pat.errors import (
    CriteriaInvalid,
    DataInvalid,
    DataSetClosed,
    DataSetDamaged,
    MethodInvalid,
    RecipeInvalid,
    StepNotOpen,
)
from baro.apps.pat.models import DataSet, DataSetPart
from baro.apps.pat.samples import Row
from baro.apps.pat.services import (
    approve_model,
    build_model,
    exclude_sample,
    freeze_data_set,
    model_content,
    register_model,
    retire_method,
    retire_model,
    set_criteria,
    set_scope,
)
from baro.apps.people.errors import SameHand
from baro.apps.people.roles import Role
from baro.apps.plant.models import Instrument
from tests.apps.pat.making import AXIS, CRITERIA, SNV_PLS, Room, rows


def changed(row: Row, **told: Any) -> Row:
    facts = {name: getattr(row, name) for name in ("sample", "batch", "reference", "measured_at", "spectrum")}
    return Row(**(facts | told))


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"code": " "}, "code"),
        ({"unit": ""}, "unit"),
        ({"technique": "magic"}, "technique"),
        ({"nominal": float("nan")}, "label claim"),
        ({"scope": {"steps": ["magic"]}}, "steps"),
        ({"scope": {"components": [5, 3]}}, "components"),
        ({"scope": {"anything": True}}, "anything"),
        ({"code": "tablet-assay"}, "tablet-assay"),
    ],
    ids=str,
)
def test_a_method_that_is_not_whole_is_refused(room: Room, told: dict[str, Any], words: str) -> None:
    with pytest.raises(MethodInvalid) as refused:
        room.method(**told)
    assert words in refused.value.text


def test_criteria_are_checked_and_stay_while_a_test_is_under_way(room: Room) -> None:
    for wrong in ([], [{"figure": "luck", "comparison": "at_most", "limit": 1}], [CRITERIA[0] | {"limit": "low"}]):
        with pytest.raises(CriteriaInvalid):
            set_criteria(room.scientist, room.method(f"m{len(str(wrong))}"), wrong, "other limits")
    model = room.model()
    method = model.method
    assert set_criteria(room.scientist, method, CRITERIA[:1], "less").criteria == CRITERIA[:1]
    room.fixed(room.protocol(model))
    with pytest.raises(StepNotOpen):
        set_criteria(room.scientist, method, CRITERIA, "after all")
    with pytest.raises(NotPermitted):
        set_criteria(room.plant.user("operator1"), method, CRITERIA, "why not")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda r: r[:5], "5"),
        (lambda r: [changed(r[0], spectrum=r[0].spectrum[:-1]), *r[1:]], "points"),
        (lambda r: [changed(r[0], spectrum=np.full(AXIS.size, np.nan, np.float32)), *r[1:]], "no numbers"),
        (lambda r: [changed(r[0], reference=None), *r[1:]], "no reference"),
        (lambda r: [changed(r[0], batch=" "), *r[1:]], "batch"),
    ],
)
def test_rows_that_cannot_be_taken_are_named(room: Room, wrong: Any, words: str) -> None:
    with pytest.raises(DataInvalid) as refused:
        room.data_set("wrong", wrong(rows()))
    assert words in refused.value.text


def test_a_unit_that_is_missing_and_an_axis_that_turns_are_refused(room: Room) -> None:
    for told in ({"unit": ""}, {"axis_unit": ""}, {"axis": np.concatenate([AXIS[:20], AXIS[:20]])}):
        with pytest.raises(DataInvalid):
            room.data_set("wrong", rows(), **told)


def test_what_is_odd_is_kept_with_the_data_set(room: Room) -> None:
    found = rows()
    twice = changed(found[0], sample="again", batch=found[-1].batch, reference=found[0].reference + 5.0)
    kept = room.data_set("odd", [*found, twice])
    assert {one["code"] for one in kept.findings} >= {"equal_spectra", "references_disagree"}
    one_batch = room.data_set("one", [changed(row, batch="B1") for row in found])
    assert "one_batch" in {one["code"] for one in one_batch.findings}


def test_a_model_is_built_of_frozen_calibration_data_only(room: Room) -> None:
    method = room.method()
    with pytest.raises(DataSetClosed):
        room.model(method, room.data_set("draft", rows()))
    with pytest.raises(DataInvalid, match="PAT-0001"):
        room.model(method, room.frozen("test", rows(4, first=50), "test"))
    with pytest.raises(DataInvalid) as unit:
        room.model(method, room.frozen("percent", rows(), unit="%"))
    assert "%" in unit.value.text
    with pytest.raises(DataInvalid) as batch:
        room.model(method, room.frozen("one", [changed(row, batch="B1") for row in rows()]))
    assert "batch" in batch.value.text
    with pytest.raises(DataInvalid):
        room.model(method, room.frozen("same", [changed(row, reference=100.0) for row in rows()]))
    with pytest.raises(RecipeInvalid):
        room.model(method, room.frozen("cal", rows()), [{"step": "snv"}])
    with pytest.raises(NotPermitted):
        build_model(room.plant.user("operator1"), method, room.again(method), SNV_PLS, "why not")


def test_mixed_axes_and_other_instruments_are_refused(room: Room) -> None:
    method = room.method(scope={"instruments": ["nir-1"]})
    room.model(method, room.frozen("cal", rows()))
    with pytest.raises(DataInvalid) as axis:
        room.model(method, room.frozen("shifted", rows(seed=3), axis=AXIS + 1.0))
    assert "axis" in axis.value.text
    with change(Program("test", room.plant.company), "test"):
        first = Instrument.objects.get()
        second = Instrument.objects.create(
            company=first.company,
            equipment=first.equipment,
            code="nir-2",
            name_ko="2",
            name_en="2",
            source="nir-2",
            calibrated_until=first.calibrated_until,
        )
    with pytest.raises(DataInvalid) as place:
        room.model(method, room.frozen("second", rows(seed=4), instrument_id=second.id))
    assert "nir-2" in place.value.text


def test_the_same_recipe_on_the_same_data_is_the_same_model(room: Room) -> None:
    first = room.model()
    again = build_model(room.scientist, first.method, first.data_set, SNV_PLS, "again")
    assert again.id == first.id
    exclude_sample(room.scientist, first.data_set_id, "B1-1", "the tablet was broken")
    other = build_model(room.scientist, first.method, first.data_set, SNV_PLS, "without it")
    assert (other.version, other.figures["n_calibration"]) == (2, 31)


def test_rows_that_were_changed_behind_the_services_are_not_used(room: Room) -> None:
    data_set = room.frozen("cal", rows())
    with change(Program("test", room.plant.company), "test"):
        part = DataSetPart.objects.get(data_set=data_set)
        DataSetPart.objects.create(
            company_id=part.company_id,
            data_set=data_set,
            position=1,
            count=part.count,
            digest=part.digest,
            body=part.body,
        )
    with pytest.raises(DataSetDamaged):
        room.model(room.method(), data_set)
    with pytest.raises(DataSetClosed):
        freeze_data_set(room.scientist, data_set.id, "again")


def test_approval_needs_a_passed_validation_another_hand_and_the_content_that_was_read(room: Room) -> None:
    model = room.model()
    password = room.plant.password
    with pytest.raises(StepNotOpen):
        approve_model(room.head, password, model, "fine")
    assert room.validated(model).passed
    with pytest.raises(NotPermitted):
        approve_model(room.scientist, password, model, "fine")
    with pytest.raises(WrongPassword):
        approve_model(room.head, "wrong", model, "fine")
    with pytest.raises(RecordChanged):
        approve_model(room.head, password, model, "fine", seen="0" * 64)
    approve_model(room.head, password, model, "fine", seen=room.seen(model_content, type(model), model.id))
    with pytest.raises(StepNotOpen):
        approve_model(room.head, password, model, "fine")
    assert room.again(model.method).state == "approved"


def test_one_failed_validation_stands_against_an_approval(room: Room) -> None:
    model = room.model()
    assert room.validated(model).passed
    strict = [{"figure": "rmsep", "comparison": "at_most", "limit": 1e-6}]
    harder = room.protocol(model, room.frozen("test-2", rows(4, seed=11, first=201), "test"), strict)
    from baro.apps.pat.services import run_protocol

    assert not run_protocol(room.scientist, room.fixed(harder).id, "second test").passed
    with pytest.raises(StepNotOpen):
        approve_model(room.head, room.plant.password, model, "one of two will do")


def test_who_built_it_does_not_approve_it(room: Room) -> None:
    builder = room.person("both", Role.QUALITY_HEAD)
    with reading(room.plant.company):
        data_set = DataSet.objects.filter(code="cal").first() or room.frozen("cal", rows())
    room.plant.give_role("both", Role.SCIENTIST)
    model = build_model(room.plant.user("both"), room.method(), data_set, SNV_PLS, "mine")
    assert room.validated(model).passed
    room.plant.give_role("both", Role.QUALITY_HEAD)
    with pytest.raises(SameHand):
        approve_model(room.plant.user("both"), room.plant.password, model, "fine")
    assert builder.id == model.registered_by_id


def test_what_is_retired_stays_so(room: Room) -> None:
    model = room.model()
    with pytest.raises(NotPermitted):
        retire_model(room.scientist, model, "not needed")
    retire_model(room.head, model, "not needed")
    with pytest.raises(StepNotOpen):
        retire_model(room.head, model, "again")
    with pytest.raises(StepNotOpen):
        room.protocol(model)
    retire_method(room.head, model.method, "not needed")
    for act in (
        lambda: build_model(room.scientist, model.method, model.data_set, SNV_PLS, "again"),
        lambda: set_scope(room.scientist, model.method, {}, "again"),
        lambda: retire_method(room.head, model.method, "again"),
    ):
        with pytest.raises(StepNotOpen):
            act()


def test_a_file_does_not_take_the_code_of_a_method(room: Room) -> None:
    room.method("mine")
    with pytest.raises(RecipeInvalid):
        register_model(Program("test", room.plant.company), "mine", "x", "x", shipped_model(), "test")
