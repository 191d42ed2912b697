"""Bringing a model to another instrument, from standards to a deployed model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from django.utils import translation

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.services import change, reading
from baro.apps.pat.errors import StepNotOpen, TransferInvalid
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, Transfer
from baro.apps.pat.samples import Row
from baro.apps.pat.scope import differences
from baro.apps.pat.services import (
    approve_deployment,
    approve_model,
    build_transferred_model,
    exclude_sample,
    give_up_transfer,
    make_transfer,
    operator_for,
    request_deployment,
    retire_model,
)
from baro.apps.plant.models import Instrument
from tests.apps.pat.making import AXIS, Room, rows


def other_instrument(room: Room) -> Instrument:
    """A second one beside the first."""
    first = room.instrument
    with change(room.plant.user("admin1"), "a second spectrometer"):
        return Instrument.objects.create(
            company_id=first.company_id,
            **{
                field.name: getattr(first, field.name)
                for field in Instrument._meta.concrete_fields
                if field.name not in ("id", "company", "code", "source")
            },
            code="zz-second",
            source=f"{first.source}-second",
        )


def seen_by_other(found: list[Row], seed: int = 3) -> list[Row]:
    """The same samples on an instrument of another gain and offset, and half a channel off."""
    random = np.random.default_rng(seed)
    step = AXIS[1] - AXIS[0]
    out = []
    for row in found:
        shifted = np.interp(AXIS - 0.5 * step, AXIS, row.spectrum)
        spectrum = 0.92 * shifted + 0.05 * shifted**2 + 0.03 + random.normal(0, 0.001, AXIS.size)
        out.append(replace(row, spectrum=spectrum.astype(np.float32)))
    return out


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with translation.override("en"):
        yield


class Pair:
    def __init__(self, room: Room, found: list[Row] | None = None) -> None:
        self.room = room
        self.model = room.model()
        self.other = other_instrument(room)
        standards = found or rows(6, 3, seed=5, first=201, prefix="S")
        self.primary = room.frozen("standards-1", standards, "transfer")
        seen = seen_by_other(standards)
        self.secondary = room.frozen("standards-2", seen[::-1], "transfer", instrument_id=self.other.id)

    def make(self, how: str = "pds", parameters: dict | None = None, **told) -> Transfer:
        facts = {"primary": self.primary, "secondary": self.secondary, "instrument_id": self.other.id} | told
        return make_transfer(
            self.room.scientist, self.model, how=how, parameters=parameters or {}, reason="second line", **facts
        )


@pytest.fixture
def pair(room: Room) -> Pair:
    return Pair(room)


def test_a_transfer_is_kept_with_what_was_found_and_becomes_a_model(pair: Pair) -> None:
    room = pair.room
    kept = pair.make(parameters={"half_window": 2})
    assert kept.state == Transfer.State.DRAFT
    assert kept.figures["count"] == 18
    assert kept.figures["rmsep_after"] < kept.figures["rmsep_before"]
    assert kept.figures["p_gain"] < 0.05
    assert kept.parameters == {"half_window": 2, "components": 2, "regression": "pls", "tolerance": 1e-3}
    model = build_transferred_model(room.scientist, kept.id, "second line")
    assert (model.code, model.version, model.replaces_id) == (pair.model.code, 2, pair.model.id)
    assert model.status == CalibrationModel.Status.TRIAL
    assert model.figures["transfer"]["count"] == 18
    assert room.again(kept).state == Transfer.State.MADE
    new = rows(10, 3, seed=8, first=301)
    wanted = np.array([row.reference for row in new])
    with reading(room.plant.company):
        before = operator_for(pair.model.digest)
        after = operator_for(model.digest)
    spectra = np.stack([row.spectrum for row in seen_by_other(new, seed=4)])
    errors = [np.sqrt(np.mean((one.predict(spectra).value - wanted) ** 2)) for one in (before, after)]
    own = np.sqrt(np.mean((before.predict(np.stack([row.spectrum for row in new])).value - wanted) ** 2))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 1.5 * own
    with reading(room.plant.company):
        description = CalibrationModel.objects.get(id=model.id).description
    assert pair.secondary.digest in description
    with pytest.raises(StepNotOpen, match="transfer"):
        build_transferred_model(room.scientist, kept.id, "again")


def test_a_transferred_model_is_for_its_instrument_only(pair: Pair) -> None:
    room = pair.room
    model = build_transferred_model(room.scientist, pair.make().id, "second line")
    test_set = room.frozen(
        "test-second", seen_by_other(rows(4, seed=9, first=401), 6), "test", instrument_id=pair.other.id
    )
    assert room.validated(model, test_set).passed
    approve_model(room.head, room.plant.password, model, "validated on the second line")
    asked = request_deployment(room.scientist, model, pair.other, Deployment.Role.CHAMPION, "second line")
    assert approve_deployment(room.head, room.plant.password, asked.id, "agreed").state == Deployment.State.ACTIVE


def test_another_instrument_is_a_difference_of_the_method(pair: Pair) -> None:
    new = build_transferred_model(pair.room.scientist, pair.make().id, "second line")
    with reading(pair.room.plant.company):
        (found,) = differences(pair.model, new, {})
        assert (found["what"], found["new"], found["in_scope"]) == ("instrument", "zz-second", False)
        (found,) = differences(pair.model, new, {"instruments": ["zz-second"]})
        assert found["in_scope"]


@pytest.mark.parametrize("how", ["pds", "ds", "sst", "slope_bias"])
def test_standards_of_a_narrow_range_are_refused(room: Room, how: str) -> None:
    wide = rows(40, 3, seed=5, first=201, prefix="S")
    narrow = [row for row in wide if row.reference is not None and 98.0 < row.reference < 102.0][:20]
    pair = Pair(room, narrow)
    with pytest.raises(TransferInvalid, match=r"of its range, at least 50 %"):
        pair.make(how)
    with reading(room.plant.company):
        assert not Transfer.objects.exists()


def test_sets_that_do_not_belong_together_are_refused(pair: Pair) -> None:
    room = pair.room
    with pytest.raises(TransferInvalid, match="not measured on the model's own"):
        pair.make(primary=pair.secondary, secondary=pair.primary)
    with pytest.raises(TransferInvalid, match="not measured on the other"):
        pair.make(instrument_id=room.instrument.id)
    with pytest.raises(TransferInvalid, match="no set of transfer standards"):
        with reading(room.plant.company):
            calibration = DataSet.objects.get(code="cal")
        pair.make(primary=calibration)
    with pytest.raises(TransferInvalid, match="none of the list"):
        pair.make("magic")
    with pytest.raises(TransferInvalid, match="channels on each side cannot be -3"):
        pair.make(parameters={"half_window": -3})
    standards = rows(6, 3, seed=5, first=201, prefix="S")
    others = room.frozen("others", rows(6, 3, first=501, prefix="X"), "transfer", instrument_id=pair.other.id)
    with pytest.raises(TransferInvalid, match="only 0 samples"):
        pair.make(secondary=others)
    draft = room.data_set("draft", seen_by_other(standards), "transfer", instrument_id=pair.other.id)
    with pytest.raises(TransferInvalid, match="not frozen"):
        pair.make(secondary=draft)
    with pytest.raises(NotPermitted):
        make_transfer(room.head, pair.model, pair.other.id, pair.primary, pair.secondary, "pds", {}, "not mine")


def test_excluded_and_unpaired_standards_are_left_out_and_named(pair: Pair) -> None:
    room = pair.room
    exclude_sample(room.scientist, pair.secondary.id, "S203-1", "spilt")
    kept = pair.make()
    assert kept.figures["count"] == 17
    more = rows(7, 3, seed=5, first=201, prefix="S")
    longer = room.frozen("standards-1b", more, "transfer")
    found = {one["code"]: one for one in pair.make(primary=longer).findings}
    assert found["transfer_unpaired"]["samples"] == ["S207-1", "S207-2", "S207-3"]


def test_a_draft_can_be_given_up_and_a_retired_model_goes_nowhere(pair: Pair) -> None:
    room = pair.room
    kept = pair.make("slope_bias")
    assert give_up_transfer(room.scientist, kept.id, "no gain").state == Transfer.State.GIVEN_UP
    with pytest.raises(StepNotOpen):
        build_transferred_model(room.scientist, kept.id, "after all")
    with pytest.raises(StepNotOpen):
        give_up_transfer(room.scientist, kept.id, "again")
    retire_model(room.head, pair.model, "old")
    with pytest.raises(StepNotOpen, match="retired"):
        pair.make()


def test_a_transferred_model_goes_on_from_where_it_was_brought(pair: Pair) -> None:
    room = pair.room
    there = build_transferred_model(room.scientist, pair.make().id, "second line")
    told = (room.instrument.id, pair.secondary, pair.primary, "pds", {}, "and back")
    back = make_transfer(room.scientist, there, *told)
    assert back.figures["rmsd_after"] < back.figures["rmsd_before"]
    with pytest.raises(TransferInvalid, match="model's own"):
        make_transfer(room.scientist, there, pair.other.id, pair.primary, pair.secondary, "pds", {}, "as the first")
