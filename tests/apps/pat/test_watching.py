"""Models in use are looked after: charts over parallel tests, rates of spectra outside, alarms."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat.drifting import drift_of, is_due
from baro.apps.pat.models import CalibrationModel, Deployment, ParallelTest, PredictionBlock, UpkeepAlarm
from baro.apps.pat.predictions import from_bytes, tabulate
from baro.apps.pat.services import answer_alarm, operator_for, record_parallel_test, watch_models
from baro.edge.blocks import GOOD
from tests.apps.pat.making import Room, rows


@pytest.fixture
def used(room: Room) -> Deployment:
    return room.in_force(room.approved(room.model()))


def predict(room: Room, deployment: Deployment, lot: str, spectra: np.ndarray, first: int = 1) -> list[str]:
    """Store what the model says of spectra of a lot; the names of their samples."""
    names = [f"{lot}-{i + 1}" for i in range(len(spectra))]
    with reading(room.plant.company):
        model = CalibrationModel.objects.get(id=deployment.model_id)
        operator = operator_for(model.digest)
    table = tabulate(
        operator,
        seq=np.arange(first, first + len(spectra)),
        sample=names,
        quality=np.full(len(spectra), GOOD, np.uint32),
        spectra=spectra,
        digests=[bytes([first % 256, i]) * 16 for i in range(len(spectra))],
    )
    body = table.to_bytes()
    with change(Program("test", room.plant.company), "predicted"):
        PredictionBlock.objects.create(
            company_id=room.plant.company,
            source=room.instrument.source,
            epoch=1,
            first_seq=first,
            last_seq=first + len(spectra) - 1,
            count=len(spectra),
            lot_no=lot,
            model_digest=model.digest,
            digest=b"x" * 32,
            body=body,
        )
    return names


def measured(room: Room, deployment: Deployment, bias: float, lot: str = "L1", first: int = 1) -> list[ParallelTest]:
    """Twelve units whose reference values lie `bias` below what the model says, give or take a little."""
    found = rows(4, 3, seed=40 + first, first=901)
    names = predict(room, deployment, lot, np.stack([row.spectrum for row in found]), first)
    at = timezone.now() - timedelta(hours=len(names))
    random = np.random.default_rng(first)
    out = []
    for i, name in enumerate(names):
        with reading(room.plant.company):
            stored = [t for t in _stored() if t[0] == name]
        out.append(
            record_parallel_test(
                room.scientist,
                deployment,
                lot_no=lot,
                sample=name,
                reference=stored[0][1] - bias + float(random.normal(0, 0.1)),
                measured_at=at + timedelta(hours=i),
                reason="parallel test",
            )
        )
    return out


def _stored() -> list[tuple[str, float]]:
    out = []
    for body in PredictionBlock.objects.values_list("body", flat=True):
        table = from_bytes(bytes(body))
        out += list(zip(table.sample, map(float, table.value), strict=True))
    return out


def test_a_model_that_agrees_raises_nothing(room: Room, used: Deployment) -> None:
    measured(room, used, 0.0)
    with reading(room.plant.company):
        found = drift_of(used)
        assert found.sigma_from == "validation"
        assert len(found.ewma) == len(found.cusum) == 12
        assert found.agreement is not None
        assert found.agreement.count == 12
        assert found.agreement.margin == 1.0
        assert found.agreement.equivalent
        assert [rate.lot_no for rate in found.rates] == ["L1"]
        assert not list(found.alarms())
    assert watch_models(room.plant.company) == []


def test_a_bias_raises_one_alarm_until_something_is_new(room: Room, used: Deployment) -> None:
    measured(room, used, 5.0)
    (alarm,) = watch_models(room.plant.company)
    assert alarm.kind == UpkeepAlarm.Kind.BIAS
    assert set(alarm.detail["charts"]) == {"ewma", "cusum", "bias"}
    assert alarm.detail["bias"] == pytest.approx(5.0, abs=0.2)
    assert watch_models(room.plant.company) == []
    answer_alarm(room.scientist, alarm.id, "the lamp was changed", "answered")
    assert watch_models(room.plant.company) == []
    measured(room, used, 5.0, "L2", 101)
    assert [again.kind for again in watch_models(room.plant.company)] == [UpkeepAlarm.Kind.BIAS]


def test_spectra_outside_raise_an_alarm(room: Room, used: Deployment) -> None:
    good = np.stack([row.spectrum for row in rows(10, 4, seed=50, first=801)])
    predict(room, used, "L1", good)
    assert watch_models(room.plant.company) == []
    bent = good + 0.2 * np.sin(np.linspace(0, 9, good.shape[1])).astype(np.float32)
    predict(room, used, "L2", bent.astype(np.float32), 101)
    (alarm,) = watch_models(room.plant.company)
    assert (alarm.kind, alarm.detail["at"]) == (UpkeepAlarm.Kind.OUTSIDE, "L2")
    assert alarm.detail["q"]["share"] > 0.5


def test_a_parallel_test_falls_due(room: Room, used: Deployment) -> None:
    with reading(room.plant.company):
        kept = Deployment.objects.get(id=used.id)
        assert is_due(kept, timezone.now()) is None
        late = is_due(kept, timezone.now() + timedelta(days=31))
        assert late is not None
        assert late["days"] == 30
        kept.role = Deployment.Role.CHALLENGER
        assert is_due(kept, timezone.now() + timedelta(days=31)) is None
