"""Which model needs somebody, what is to be done, what to measure next, and checks of the analyser."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat.attention import look_at, looks
from baro.apps.pat.checks import FailedChecks, failed_checks, standing_checks
from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.models import Deployment, HealthCheck, PredictionBlock
from baro.apps.pat.predictions import from_bytes
from baro.apps.pat.samples import Row
from baro.apps.pat.services import record_health_check, record_parallel_test, watch_models
from baro.apps.pat.suggesting import suggest
from baro.apps.plant.models import Instrument
from baro.science.chemometrics.health import peak
from baro.simulator.tablets import axis
from tests.apps.pat.making import AXIS, Room, rows
from tests.apps.pat.test_api import client, get
from tests.apps.pat.test_watching import measured, predict
from tests.plant import LOTS, Plant

GOOD = {"certified": [1143.0, 1222.0], "found": [1143.2, 1221.9]}
BAD = {"certified": [1143.0, 1222.0], "found": [1145.0, None]}


@pytest.fixture
def used(room: Room) -> Deployment:
    return room.in_force(room.approved(room.model()))


def check(room: Room, read: dict[str, Any] = BAD, kind: str = "wavelength", standard: str = "WCR-1") -> HealthCheck:
    return record_health_check(room.plant.user("analyst1"), room.instrument, kind, standard, read, "monthly")


def demo(plant: Plant) -> Deployment:
    """The demo's model in use."""
    return Deployment.objects.select_related("model__method", "instrument").get(model__code="tablet-assay")


# --- checks of an analyser


def test_the_verdict_is_that_of_the_library_and_what_was_read_is_kept(room: Room) -> None:
    found = check(room)
    assert not found.passed
    assert found.measured == {"1143": 2.0, "1222": None}
    assert found.limits == {"1143": [-1.0, 1.0], "1222": [-1.0, 1.0]}
    assert found.given == BAD | {"tolerance": 1.0}
    scale = {"certified": [0.02, 0.5, 0.99], "observed": [0.03, 0.49, 0.97]}
    photometric = check(room, scale, "photometric", "SRS")
    assert photometric.passed
    assert photometric.measured["slope"] == pytest.approx(np.polyfit(*scale.values(), 1)[0])
    noise = {"low": [1100, 1600], "high": [1600, 2100], "rms": [1e-4, 6e-4], "most": [5e-4, 5e-4]}
    assert not check(room, noise, "noise", "99 %").passed
    assert check(room, {"hours": [1200], "most": 4000}, "lamp", "lamp 7").passed
    with reading(room.plant.company):
        assert [(one.kind, one.passed) for one in standing_checks(room.instrument)] == [
            ("wavelength", False),
            ("photometric", True),
            ("noise", False),
            ("lamp", True),
        ]
    check(room, GOOD, standard="wcr-1")
    with reading(room.plant.company):
        assert standing_checks(room.instrument)[0].passed


def test_spectra_of_the_standard_are_judged_themselves(room: Room) -> None:
    scans = rows(2, 5, seed=3)
    room.data_set("wcr", scans)
    found = check(room, {"certified": [1200.0, 1270.0], "data_set": "wcr", "samples": ["B1-1"]})
    at, spectrum = AXIS, scans[0].spectrum.astype(np.float64)
    assert found.given["found"] == [peak(at, spectrum, 1200.0, 3.0 * (at[1] - at[0])), None]
    assert found.measured["1270"] is None  # there is no band, and that is no pass
    assert found.given["digests"] == [hashlib.sha256(scans[0].spectrum.astype("<f4").tobytes()).hexdigest()]
    windows = {"low": [1250.0], "high": [1300.0], "most": [0.05]}
    quiet = check(room, windows | {"data_set": "wcr", "samples": ["B1-1", "B1-2"]}, "noise", "99 %")
    part = (at >= 1250.0) & (at <= 1300.0)
    apart = (scans[0].spectrum - scans[1].spectrum.astype(np.float64))[part]
    assert quiet.given["rms"] == pytest.approx([np.std(apart, ddof=1) / np.sqrt(2)])
    wrongs: list[dict[str, Any]] = [{"data_set": "none"}, {"found": [1200.0]}]
    wrongs += [{"samples": names} for names in ([], ["B9-9"], ["B1-1", "B1-2"])]
    for wrong in wrongs:
        with pytest.raises(DataInvalid):
            check(room, {"certified": [1200.0], "data_set": "wcr", "samples": ["B1-1"]} | wrong)
    with pytest.raises(DataInvalid, match="few"):
        check(room, {"certified": [2200.0], "data_set": "wcr", "samples": ["B1-1"]})


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("taste", GOOD),
        ("wavelength", {}),
        ("wavelength", {"certified": [1143.0], "found": [1143.0, 1.0]}),
        ("wavelength", GOOD | {"tolerance": 0}),
        ("wavelength", GOOD | {"hours": [1]}),
        ("wavelength", {"certified": [None], "found": [1.0]}),
        ("wavelength", {"certified": "1143", "found": [1.0]}),
        ("wavelength", {"certified": [1.0, 1.0], "found": [1.0, 1.0]}),
        ("photometric", {"certified": [0.1, 0.2], "observed": [0.1, 0.2]}),
        ("photometric", {"certified": [0.1, 0.2, 0.3], "observed": [0.1, 0.2, float("nan")]}),
        ("noise", {"low": [2], "high": [1], "rms": [1], "most": [1]}),
        ("lamp", {"hours": [1, 2], "most": 3}),
        ("lamp", {"hours": [1]}),
        ("lamp", {"hours": [1], "most": 2, "data_set": "wcr"}),
        ("wavelength", GOOD | {"samples": ["T1"]}),
    ],
)
def test_what_is_no_check_is_refused(room: Room, kind: str, read: dict[str, Any]) -> None:
    with pytest.raises(DataInvalid):
        check(room, read, kind)
    with reading(room.plant.company):
        assert not HealthCheck.objects.exists()


def test_measurements_stand_between_two_checks_with_the_same_standard(room: Room) -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    equipment = room.instrument.equipment_id
    numbers = count()

    def at(day: int) -> datetime:
        return start + timedelta(days=day)

    @settings(max_examples=30, deadline=None)
    @given(
        history=st.lists(
            st.tuples(st.integers(0, 30), st.sampled_from("ab"), st.booleans()),
            max_size=8,
            unique_by=lambda one: one[0],
        ),
        begun=st.integers(5, 25),
        lasting=st.none() | st.integers(0, 5),
    )
    def bears(history: list[tuple[int, str, bool]], begun: int, lasting: int | None) -> None:
        keys = {}
        name = f"x{next(numbers)}"
        with change(Program("test", room.plant.company), "checked"):
            told = {"code": name, "name_ko": name, "name_en": name, "source": name, "calibrated_until": start.date()}
            other = Instrument.objects.create(company_id=room.plant.company, equipment_id=equipment, **told)
            for day, standard, passed in history:
                told = {"kind": "lamp", "standard": standard, "passed": passed, "recorded_at": at(day)}
                made = HealthCheck.objects.create(
                    company_id=room.plant.company, instrument=other, measured={}, limits={}, **told
                )
                keys[day] = str(made.id)
        end = None if lasting is None else begun + lasting
        wanted = set()
        for standard in "ab":
            days = sorted((day, passed) for day, of, passed in history if of == standard)
            before = [one for one in days if one[0] <= begun][-1:]
            within = [one for one in days if begun < one[0] and (end is None or one[0] <= end)]
            after = [] if end is None else [one for one in days if one[0] > end][:1]
            wanted |= {keys[day] for day, passed in before + within + after if not passed}
        with reading(room.plant.company):
            found = failed_checks([other], at(begun), None if end is None else at(end))
        assert {key for one in found for key in one.checks} == wanted
        assert [one.instrument for one in found] == ([name] if wanted else [])
        assert [FailedChecks.of(one.kept()) for one in found] == list(found)

    bears()


# --- models in use


def test_a_model_says_what_it_needs_and_those_in_need_stand_first(room: Room, used: Deployment) -> None:
    with reading(room.plant.company):
        assert [(one.state, one.advice[0].code) for one in looks()] == [("needs_review", "few_tests")] * 2
    measured(room, used, 0.0)
    with reading(room.plant.company):
        assert (look_at(used).state, look_at(used).advice[0].code) == ("met", "nothing")
    measured(room, used, 5.0, "L2", 101)
    with reading(room.plant.company):
        first = looks()[0]
    assert (first.deployment.id, first.state) == (used.id, "failed")
    # half of the tests are shifted, so the scatter is greater as well
    assert [one.code for one in first.advice] == ["update_shape"]


def test_a_shift_alone_is_a_bias(room: Room, used: Deployment) -> None:
    measured(room, used, 5.0)
    with reading(room.plant.company):
        (advice,) = look_at(used).advice
    assert advice.code == "bias"
    assert advice.facts["bias"] == pytest.approx(5.0, abs=0.2)


def test_spectra_outside_ask_for_new_samples_or_with_a_failed_check_for_a_transfer(
    room: Room, used: Deployment
) -> None:
    good = np.stack([row.spectrum for row in rows(10, 4, seed=50, first=801)])
    bent = good + 0.2 * np.sin(np.linspace(0, 9, good.shape[1])).astype(np.float32)
    predict(room, used, "L1", bent.astype(np.float32))
    with reading(room.plant.company):
        assert [one.code for one in look_at(used).advice] == ["update_outside", "few_tests"]
    check(room)
    with reading(room.plant.company):
        look = look_at(used)
    assert [one.code for one in look.advice] == ["instrument", "transfer", "few_tests"]
    assert (look.state, len(look.failed), len(look.alarms)) == ("failed", 1, 1)


# --- what to measure next


def test_units_of_a_lot_are_suggested_until_they_are_measured(plant: Plant) -> None:
    lot = plant.finished("A").lot.lot_no
    with reading(plant.company):
        used = demo(plant)
        first = suggest(used, 5)
        again = suggest(used, 8, lot=lot)
    assert first.lots == (lot,)
    assert first.candidates == len(LOTS["A"].tablets)
    # a shorter list is the beginning of a longer one
    assert [one.unit for one in again.units[:5]] == [one.unit for one in first.units]
    assert len({one.unit.sample for one in again.units}) == 8
    values = {}
    with reading(plant.company):
        for body in PredictionBlock.objects.values_list("body", flat=True):
            table = from_bytes(bytes(body))
            values |= {digest.hex(): value for digest, value in zip(table.digest, table.value, strict=True)}
    for one in first.units:
        assert one.facts["value"] == values[one.unit.digest]
    unit = first.units[0].unit
    record_parallel_test(
        plant.user("analyst1"),
        used,
        lot_no=unit.lot,
        sample=unit.sample,
        reference=200.0,
        measured_at=datetime.now(UTC),
        reason="suggested",
        spectrum_digest=unit.digest,
    )
    with reading(plant.company):
        later = suggest(used, 5)
        assert later.candidates == first.candidates - 1
        assert unit not in [one.unit for one in later.units]
        for wrong in ({"lot": "NONE"}, {"data_set": "none"}):
            with pytest.raises(DataInvalid):
                suggest(used, 5, **wrong)


def test_samples_of_a_data_set_without_a_reference_are_suggested(room: Room) -> None:
    tablets = LOTS["A"].tablets[:30]
    found = [
        Row(tablet.sample_id, f"B{i // 5}", None if i % 3 else 200.0, None, tablet.spectrum)
        for i, tablet in enumerate(tablets)
    ]
    strange = np.ascontiguousarray(tablets[1].spectrum[::-1])
    found[1] = Row(tablets[1].sample_id, "B0", None, None, strange)
    room.data_set("open", found, "transfer", axis=axis())
    room.data_set("short", rows())
    with reading(room.plant.company):
        used = demo(room.plant)
        made = suggest(used, 50, data_set="open")
        with pytest.raises(DataInvalid):
            suggest(used, 5, data_set="short")
    assert made.candidates == len(made.units) == 20
    assert {one.unit.sample for one in made.units} == {t.sample_id for i, t in enumerate(tablets) if i % 3}
    assert (made.units[0].unit.sample, made.units[0].why) == (tablets[1].sample_id, "outside")
    # the space is filled from afar: what is chosen later lies nearer to what is there
    distances = [one.facts["distance"] for one in made.units]
    assert all(a >= b - 1e-9 for a, b in pairwise(distances))


# --- by REST


def test_upkeep_by_rest(room: Room, used: Deployment) -> None:
    measured(room, used, 5.0)
    (alarm,) = watch_models(room.plant.company)
    asked = client(room.plant, "science1")
    told = get(asked, "upkeep")
    assert [(one["model"], one["state"]) for one in told] == [("assay-nir", "failed"), ("tablet-assay", "needs_review")]
    assert told[0]["bias"] == pytest.approx(5.0, abs=0.2)
    drift = get(asked, f"upkeep/{used.id}")
    assert len(drift["points"]) == 12
    assert drift["points"][-1]["ewma_alarm"]
    assert drift["agreement"]["bias_significant"]
    assert drift["lots"][0]["q"]["of"] == 12
    (open_,) = get(asked, "alarms?open=true")
    assert (open_["id"], open_["kind"]) == (str(alarm.id), "bias")
    assert "CUSUM" in open_["text"]
    body = {"answer": "the balance was wrong", "reason": "looked into"}
    sent = asked.post(f"/api/v1/pat/alarms/{alarm.id}/answer", body, content_type="application/json")
    assert sent.json()["answered_by"]
    assert get(asked, "alarms?open=true") == []
    assert len(get(asked, "alarms")) == 1
    assert get(asked, f"upkeep/{used.id}/next-samples")["units"] == []  # nothing of it is in the historian
    refused = asked.get(f"/api/v1/pat/upkeep/{used.id}/next-samples?data_set=none")
    assert (refused.status_code, refused.json()["code"]) == (422, "PAT-0001")


def test_checks_by_rest(room: Room) -> None:
    analyst = client(room.plant, "analyst1")
    body = {"instrument": "nir-1", "kind": "wavelength", "standard": "WCR-1", "reason": "weekly"} | BAD
    made = analyst.post("/api/v1/pat/health-checks", body, content_type="application/json")
    assert made.status_code == 200, made.content
    assert made.json()["measured"] == {"1143": 2.0, "1222": None}
    lamp = {"instrument": "nir-1", "kind": "lamp", "standard": "lamp 7", "hours": 10, "most": 4000, "reason": "weekly"}
    assert analyst.post("/api/v1/pat/health-checks", lamp, content_type="application/json").json()["passed"]
    refused = analyst.post("/api/v1/pat/health-checks", lamp | {"tolerance": 1}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (422, "PAT-0001")
    (told,) = get(analyst, "analysers")
    assert (told["passed"], [one["passed"] for one in told["checks"]]) == (False, [False, True])
    assert [one["kind"] for one in get(analyst, "health-checks?instrument=nir-1")] == ["lamp", "wavelength"]
    operator = client(room.plant, "operator1")
    assert operator.post("/api/v1/pat/health-checks", body, content_type="application/json").status_code == 403
    with pytest.raises(NotPermitted):
        record_health_check(
            room.plant.user("operator1"), room.instrument, "lamp", "lamp 7", {"hours": [1], "most": 2}, "no"
        )
