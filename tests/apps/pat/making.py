"""Data sets, methods and models for tests: small spectra whose one band follows the quantity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np

from baro.apps.ledger.services import Program, accept_accountability, content_hash, reading
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, Method, ModelChange, Protocol, ValidationRun
from baro.apps.pat.samples import Row
from baro.apps.pat.services import (
    approve_deployment,
    approve_model,
    build_model,
    create_method,
    draft_data_set,
    draft_protocol,
    fix_protocol,
    freeze_data_set,
    request_deployment,
    run_protocol,
)
from baro.apps.people.models import User
from baro.apps.people.roles import Role
from baro.apps.people.services import create_user
from baro.apps.plant.models import Instrument
from tests.plant import Plant

AXIS = np.linspace(1100.0, 1300.0, 40)
SNV_PLS = [{"step": "snv"}, {"step": "pls", "components": 2}]
CRITERIA = [
    {"figure": "rmsep", "comparison": "at_most", "limit": 2.0},
    {"figure": "bias", "comparison": "within", "limit": 1.0},
]
SIGNERS = ("science1", "quality1")


def rows(
    batches: int = 8, each: int = 4, *, seed: int = 1, first: int = 1, noise: float = 0.002, prefix: str = "B"
) -> list[Row]:
    """Samples of numbered batches; the height of a band at 1200 follows the reference value around 100."""
    random = np.random.default_rng(seed)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    out = []
    for batch in range(first, first + batches):
        for k in range(each):
            value = float(random.uniform(90.0, 110.0))
            band = value / 100.0 * np.exp(-(((AXIS - 1200.0) / 25.0) ** 2))
            base = 0.3 + random.normal(0.0, 0.02) + np.exp(-(((AXIS - 1130.0) / 30.0) ** 2))
            spectrum = (band + base + random.normal(0.0, noise, AXIS.size)).astype(np.float32)
            moment = at + timedelta(days=batch, minutes=k)
            out.append(Row(f"{prefix}{batch}-{k + 1}", f"{prefix}{batch}", value, moment, spectrum))
    return out


@dataclass(frozen=True)
class Room:
    """The PAT room of one plant, with what most tests need."""

    plant: Plant

    @property
    def scientist(self) -> User:
        return self.plant.user("science1")

    @property
    def head(self) -> User:
        return self.plant.user("quality1")

    @property
    def instrument(self) -> Instrument:
        with reading(self.plant.company):
            return Instrument.objects.get(code="nir-1")

    def person(self, name: str, role: Role) -> User:
        """Another person who may sign."""
        username = f"{self.plant.code}-{name}"
        create_user(
            Program("tester", self.plant.company),
            username=username,
            password=self.plant.password,
            full_name=name,
            full_name_en=name,
            role=role,
            reason="test",
        )
        user = self.plant.user(name)
        accept_accountability(user, self.plant.password)
        return user

    def data_set(self, code: str, found: list[Row], purpose: str = "calibration", **told: Any) -> DataSet:
        facts: dict[str, Any] = {
            "code": code,
            "name_ko": code,
            "name_en": code,
            "purpose": purpose,
            "quantity": "assay",
            "unit": "mg",
            "reference_method": "HPLC",
            "reference_error": 0.4,
            "instrument_id": self.instrument.id,
            "axis": AXIS,
            "axis_unit": "nm",
            "rows": found,
            "origin": [],
            "reason": "test",
        }
        return draft_data_set(self.scientist, **(facts | told))

    def frozen(self, code: str, found: list[Row], purpose: str = "calibration", **told: Any) -> DataSet:
        made = self.data_set(code, found, purpose, **told)
        return freeze_data_set(self.scientist, made.id, "complete")

    def method(self, code: str = "assay-nir", **told: Any) -> Method:
        facts: dict[str, Any] = {
            "code": code,
            "name_ko": "함량",
            "name_en": "Assay",
            "technique": "nir",
            "quantity": "assay",
            "unit": "mg",
            "nominal": 100.0,
            "purpose": "assay of tablets",
            "criteria": CRITERIA,
            "reason": "test",
        }
        return create_method(self.scientist, **(facts | told))

    def model(
        self, method: Method | None = None, data_set: DataSet | None = None, recipe: Any = None
    ) -> CalibrationModel:
        return build_model(
            self.scientist,
            method or self.method(),
            data_set or self.frozen("cal", rows()),
            recipe or SNV_PLS,
            "first model",
        )

    def protocol(self, model: CalibrationModel, test_set: DataSet | None = None, criteria: Any = None) -> Protocol:
        test_set = test_set or self.frozen(f"test-{model.version}", rows(4, seed=9, first=101), "test")
        return draft_protocol(self.scientist, model, test_set, criteria, "validation")

    def fixed(self, protocol: Protocol) -> Protocol:
        self.may_sign()
        return fix_protocol(self.scientist, self.plant.password, protocol.id, "criteria agreed")

    def validated(self, model: CalibrationModel, test_set: DataSet | None = None) -> ValidationRun:
        return run_protocol(self.scientist, self.fixed(self.protocol(model, test_set)).id, "validation")

    def approved(self, model: CalibrationModel, test_set: DataSet | None = None) -> CalibrationModel:
        assert self.validated(model, test_set).passed
        return approve_model(self.head, self.plant.password, model, "validated")

    def in_force(self, model: CalibrationModel) -> Deployment:
        asked = request_deployment(self.scientist, model, self.instrument, Deployment.Role.CHAMPION, "in use")
        return approve_deployment(self.head, self.plant.password, asked.id, "agreed")

    def may_sign(self) -> None:
        accept_accountability(self.scientist, self.plant.password)

    def again(self, record: Any) -> Any:
        """A record as it is kept now."""
        with reading(self.plant.company):
            return type(record).objects.get(id=record.id)

    def seen(self, content: Any, kind: type, key: UUID) -> str:
        """The content hash of a record, as a page would show it."""
        with reading(self.plant.company):
            return content_hash(content(kind.objects.get(id=key)))  # type: ignore[attr-defined]


__all__ = ["AXIS", "CRITERIA", "SNV_PLS", "ModelChange", "Room", "rows"]
