"""A model's whole life through the services."""

from __future__ import annotations

from baro.apps.ledger.services import reading
from baro.apps.ledger.signing import Finding, check_all
from baro.apps.pat.models import CalibrationModel, Deployment, ModelChange, TestLook
from baro.apps.pat.services import (
    approve_change,
    approve_model,
    deployment_holds,
    model_is_approved,
    request_change,
    retire_model,
)
from tests.apps.pat.making import Room, rows


def test_from_data_to_retirement(room: Room) -> None:
    first = room.model()
    run = room.validated(first)
    assert run.passed
    assert run.blind
    assert 0.0 < run.results["figures"]["rmsep"] < 1.0
    approve_model(room.head, room.plant.password, first, "validated")
    champion = room.in_force(first)
    with reading(room.plant.company):
        assert model_is_approved(CalibrationModel.objects.get(id=first.id))
        assert deployment_holds(Deployment.objects.get(id=champion.id))
        assert TestLook.objects.get().what_for == "validation of assay-nir v1"
    method = room.again(first.method)
    assert method.state == "approved"
    second = room.model(method, room.frozen("cal-2", rows() + rows(2, seed=4, first=21)))
    assert (second.version, second.replaces_id) == (2, first.id)
    room.approved(second)
    asked = request_change(room.scientist, first, second, "two more batches", "batches of the summer")
    assert asked.kind == ModelChange.Kind.VARIATION
    assert [one["what"] for one in asked.differences] == ["samples_added"]
    approve_change(room.head, room.plant.password, asked.id, "agreed")
    newer = room.in_force(second)
    assert room.again(champion).state == "ended"
    retire_model(room.head, second, "the product is given up")
    assert room.again(newer).state == "ended"
    with reading(room.plant.company):
        assert all(finding == Finding.VALID for _, finding in check_all())
