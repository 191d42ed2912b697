"""Validation, use, changes and upkeep: what is refused, and what another person has to sign."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from baro.apps.ledger.errors import NotPermitted, RecordChanged, WrongPassword
from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat.errors import (
    CriteriaInvalid,
    DataInvalid,
    DataSetClosed,
    ModelNotDeployed,
    StepNotOpen,
    TestOverlaps,
)
from baro.apps.pat.models import Deployment, ModelChange, Protocol, TestLook, UpkeepAlarm, ValidationRun
from baro.apps.pat.services import (
    answer_alarm,
    approve_change,
    approve_deployment,
    deployment_content,
    end_deployment,
    fix_protocol,
    protocol_content,
    record_health_check,
    record_parallel_test,
    refuse_change,
    request_change,
    request_deployment,
    run_protocol,
    set_scope,
)
from baro.apps.pat.services import validation as validating
from baro.apps.people.errors import SameHand
from baro.apps.people.roles import Role
from baro.apps.plant.models import Instrument
from tests.apps.pat.making import AXIS, Room, rows

AT = datetime(2026, 11, 20, tzinfo=UTC)


def looks(room: Room) -> int:
    with reading(room.plant.company):
        return TestLook.objects.count()


def second_instrument(room: Room) -> Instrument:
    with change(Program("test", room.plant.company), "test"):
        first = Instrument.objects.get()
        return Instrument.objects.create(
            company=first.company,
            equipment=first.equipment,
            code="nir-2",
            name_ko="2",
            name_en="2",
            source="nir-2",
            calibrated_until=first.calibrated_until,
        )


def test_a_test_set_that_shares_spectra_or_batches_is_refused_and_not_looked_at(room: Room) -> None:
    calibration = rows()
    model = room.model(None, room.frozen("cal", calibration))
    fresh = rows(4, seed=9, first=101)
    renamed = [type(row)("x", "B900", row.reference, row.measured_at, row.spectrum) for row in calibration[:1]]
    with pytest.raises(TestOverlaps) as spectrum:
        room.protocol(model, room.frozen("leaks", [*fresh, *renamed], "test"))
    assert "cal" in spectrum.value.text
    with pytest.raises(TestOverlaps) as batch:
        room.protocol(model, room.frozen("batch", rows(4, seed=10, first=6), "test"))
    assert "B6" in batch.value.text
    assert looks(room) == 0


def test_a_protocol_is_of_a_frozen_test_set_on_the_same_axis_and_has_criteria(room: Room) -> None:
    model = room.model()
    for wrong, error in (
        (room.data_set("draft", rows(4, seed=9, first=101), "test"), DataSetClosed),
        (room.frozen("cal-2", rows(seed=9, first=101)), DataInvalid),
        (room.frozen("axis", rows(4, seed=9, first=101), "test", axis=AXIS + 1.0), DataInvalid),
        (room.frozen("unit", rows(4, seed=9, first=101), "test", unit="%"), DataInvalid),
    ):
        with pytest.raises(error):
            room.protocol(model, wrong)
    with pytest.raises(CriteriaInvalid):
        room.protocol(model, None, [])


def test_nothing_is_looked_at_before_the_criteria_are_signed(room: Room) -> None:
    protocol = room.protocol(room.model())
    with pytest.raises(StepNotOpen):
        run_protocol(room.scientist, protocol.id, "just to see")
    assert looks(room) == 0
    with pytest.raises(NotPermitted):
        fix_protocol(room.head, room.plant.password, protocol.id, "agreed")
    with pytest.raises(WrongPassword):
        fix_protocol(room.scientist, "wrong", protocol.id, "agreed")
    with pytest.raises(RecordChanged):
        fix_protocol(room.scientist, room.plant.password, protocol.id, "agreed", seen="0" * 64)
    room.may_sign()
    seen = room.seen(protocol_content, Protocol, protocol.id)
    fix_protocol(room.scientist, room.plant.password, protocol.id, "agreed", seen=seen)
    with pytest.raises(StepNotOpen):
        fix_protocol(room.scientist, room.plant.password, protocol.id, "again")
    with pytest.raises(NotPermitted):
        run_protocol(room.plant.user("operator1"), protocol.id, "run")
    assert looks(room) == 0
    assert run_protocol(room.scientist, protocol.id, "run").blind
    with pytest.raises(StepNotOpen):
        run_protocol(room.scientist, protocol.id, "once more")
    assert looks(room) == 1


def test_the_look_stays_on_record_when_the_run_breaks_off(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = room.fixed(room.protocol(room.model()))

    def broken(*given: Any, **named: Any) -> Any:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(validating.ValidationRun.objects, "create", broken)
        with pytest.raises(ZeroDivisionError), change(room.scientist, "a request that is undone"):
            run_protocol(room.scientist, protocol.id, "run")
    assert looks(room) == 1
    run = run_protocol(room.scientist, protocol.id, "run again")
    assert not run.blind
    with reading(room.plant.company):
        assert ValidationRun.objects.count() == 1


def test_a_champion_is_approved_by_another_person_on_its_own_instrument(room: Room) -> None:
    model = room.model()
    with pytest.raises(StepNotOpen):
        request_deployment(room.scientist, model, room.instrument, "champion", "in use")
    room.approved(model)
    with pytest.raises(ModelNotDeployed):
        request_deployment(room.scientist, model, second_instrument(room), "champion", "in use")
    with reading(room.plant.company):
        place = Instrument.objects.get(code="nir-1")
    with pytest.raises(StepNotOpen):
        request_deployment(room.scientist, model, place, "king", "in use")
    asked = request_deployment(room.scientist, model, place, "champion", "in use")
    with pytest.raises(StepNotOpen):
        request_deployment(room.scientist, model, place, "champion", "twice")
    with pytest.raises(NotPermitted):
        approve_deployment(room.scientist, room.plant.password, asked.id, "agreed")
    with pytest.raises(RecordChanged):
        approve_deployment(room.head, room.plant.password, asked.id, "agreed", seen="0" * 64)
    seen = room.seen(deployment_content, Deployment, asked.id)
    assert approve_deployment(room.head, room.plant.password, asked.id, "agreed", seen=seen).state == "active"
    with pytest.raises(StepNotOpen):
        approve_deployment(room.head, room.plant.password, asked.id, "again")
    with pytest.raises(NotPermitted):
        end_deployment(room.scientist, asked.id, "over")
    end_deployment(room.head, asked.id, "over")
    with pytest.raises(StepNotOpen):
        end_deployment(room.head, asked.id, "over")


def test_who_asked_for_a_deployment_does_not_approve_it(room: Room) -> None:
    model = room.approved(room.model())
    asker = room.person("asker", Role.SCIENTIST)
    asked = request_deployment(asker, model, room.instrument, "champion", "in use")
    room.plant.give_role("asker", Role.QUALITY_HEAD)
    with pytest.raises(SameHand):
        approve_deployment(room.plant.user("asker"), room.plant.password, asked.id, "agreed")


def test_a_challenger_needs_no_release_and_ends_when_it_wins(room: Room) -> None:
    first = room.approved(room.model())
    champion = room.in_force(first)
    second = room.model(first.method, room.frozen("cal-2", rows() + rows(2, seed=4, first=21)))
    shadow = request_deployment(room.scientist, second, room.instrument, "challenger", "to compare")
    assert (shadow.state, shadow.approval_id) == ("active", None)
    end_deployment(room.scientist, shadow.id, "compared")
    room.approved(second)
    with pytest.raises(StepNotOpen) as missing:
        request_deployment(room.scientist, second, room.instrument, "champion", "better")
    assert "assay-nir v1" in missing.value.text
    assert room.again(champion).state == "active"


def test_a_change_is_in_scope_when_the_method_says_so(room: Room) -> None:
    first = room.approved(room.model())
    method = set_scope(room.head, first.method, {"samples": True, "components": [1, 4]}, "as filed")
    with pytest.raises(NotPermitted):
        set_scope(room.scientist, method, {}, "wider")
    more = room.frozen("cal-2", rows() + rows(2, seed=4, first=21))
    second = room.model(method, more, [{"step": "snv"}, {"step": "pls", "components": 3}])
    third = room.model(method, more, [{"step": "pls", "components": 3}])
    asked = request_change(room.scientist, first, second, "two more batches", "summer")
    assert asked.kind == ModelChange.Kind.IN_SCOPE
    assert {one["what"] for one in asked.differences} == {"components", "samples_added"}
    varied = request_change(room.scientist, first, third, "no SNV", "simpler")
    assert varied.kind == ModelChange.Kind.VARIATION
    with pytest.raises(StepNotOpen):
        request_change(room.scientist, first, second, "twice", "twice")
    with pytest.raises(StepNotOpen):
        request_change(room.scientist, first, first, "itself", "itself")
    with pytest.raises(StepNotOpen):
        approve_change(room.head, room.plant.password, asked.id, "the new one is not validated yet")
    with pytest.raises(NotPermitted):
        approve_change(room.scientist, room.plant.password, asked.id, "mine")
    refuse_change(room.scientist, varied.id, "taken back")
    with pytest.raises(StepNotOpen):
        refuse_change(room.head, varied.id, "again")
    with pytest.raises(NotPermitted):
        refuse_change(room.plant.user("operator1"), asked.id, "no")


def test_a_check_that_fails_raises_one_alarm_until_it_is_answered(room: Room) -> None:
    room.in_force(room.approved(room.model()))
    analyst = room.plant.user("analyst1")
    told = (room.instrument, "wavelength", "polystyrene", {"certified": [1143.0], "found": [1144.6]})
    assert not record_health_check(analyst, *told, "monthly").passed
    record_health_check(analyst, *told, "monthly, again")
    with reading(room.plant.company):
        (alarm,) = UpkeepAlarm.objects.filter(kind="health", deployment__model__code="assay-nir")
    with pytest.raises(NotPermitted):
        answer_alarm(analyst, alarm.id, "realigned", "done")
    with pytest.raises(DataInvalid):
        answer_alarm(room.scientist, alarm.id, " ", "done")
    answer_alarm(room.scientist, alarm.id, "realigned", "done")
    with pytest.raises(StepNotOpen):
        answer_alarm(room.scientist, alarm.id, "realigned", "done")
    with pytest.raises(DataInvalid):
        record_health_check(analyst, *told[:2], " ", told[3], "no standard")
    with pytest.raises(NotPermitted):
        record_health_check(room.plant.user("operator1"), *told, "monthly")


def test_a_parallel_test_is_of_a_stored_prediction_of_a_model_in_use(room: Room) -> None:
    deployment = room.in_force(room.approved(room.model()))
    told: dict[str, Any] = {"lot_no": "L1", "sample": "T1", "measured_at": AT, "reason": "weekly"}
    with pytest.raises(DataInvalid) as missing:
        record_parallel_test(room.plant.user("analyst1"), deployment, reference=100.0, **told)
    assert "T1" in missing.value.text
    with pytest.raises(DataInvalid):
        record_parallel_test(room.plant.user("analyst1"), deployment, reference=float("inf"), **told)
    with pytest.raises(NotPermitted):
        record_parallel_test(room.plant.user("operator1"), deployment, reference=100.0, **told)
