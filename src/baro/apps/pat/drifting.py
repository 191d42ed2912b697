"""How a model in use does: parallel tests against what was known of it, spectra outside, what speaks against it.

Call within the company's context.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from baro.apps.pat.models import CalibrationModel, Deployment, ParallelTest, PredictionBlock, UpkeepAlarm, ValidationRun
from baro.apps.pat.predictions import from_bytes
from baro.science.chemometrics.drift import Agreement, Cusum, Ewma, Point, Rate, agreement, exceedance
from baro.science.chemometrics.limits import OUTLIER

LEAST_TESTS = 3
MOST_LOTS = 50
DUE_DAYS = 30
"""A model in force without a parallel test for so many days is due for one."""


@dataclass(frozen=True, slots=True)
class LotRate:
    """Spectra of one lot beyond the model's limits of T² and Q, each exceeded by 1 % of good ones."""

    lot_no: str
    t2: Rate
    q: Rate

    @property
    def alarm(self) -> bool:
        return self.t2.alarm or self.q.alarm


@dataclass(frozen=True, eq=False)
class Drift:
    """Parallel tests of a deployment in their order, charts over their differences, and rates of its lots.

    sigma: standard deviation of differences when the model was validated, in the unit of the quantity; sigma_from:
    ``validation`` or ``cross_validation``. agreement: None for fewer than three tests. ewma, cusum: one point a test.
    A model that came without any figure of its error has a sigma of 0, and neither charts nor agreement.
    """

    tests: tuple[ParallelTest, ...]
    sigma: float
    sigma_from: str
    ewma: tuple[Point, ...]
    cusum: tuple[Point, ...]
    agreement: Agreement | None
    rates: tuple[LotRate, ...]

    def alarms(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(kind of `UpkeepAlarm`, detail) of what the newest test and the newest lot say. detail ``at``: what is new,
        so that the same thing is not told twice."""
        if self.ewma and (raised := self.drifted()):
            facts: dict[str, Any] = {"charts": raised, "at": str(self.tests[-1].id), "tests": len(self.tests)}
            facts |= {"ewma": self.ewma[-1].value, "sigma": self.sigma}
            facts |= {"bias": self.agreement.bias} if self.agreement else {}
            yield UpkeepAlarm.Kind.BIAS, facts
        if self.rates and self.rates[-1].alarm:
            last = self.rates[-1]
            yield UpkeepAlarm.Kind.OUTSIDE, {"at": last.lot_no, "t2": asdict(last.t2), "q": asdict(last.q)}

    def drifted(self) -> list[str]:
        """What says that the newest values are shifted: ``ewma``, ``cusum``, ``bias``."""
        charts = (("ewma", self.ewma), ("cusum", self.cusum))
        raised = [name for name, points in charts if points and points[-1].alarm]
        if self.agreement and self.agreement.equivalent is False and self.agreement.bias_significant:
            raised.append("bias")
        return raised


def drift_of(deployment: Deployment, lots: int = MOST_LOTS) -> Drift:
    """Charts, tests and rates of a deployment, from what is recorded of it; rates of its newest `lots`."""
    model = CalibrationModel.objects.select_related("method").get(id=deployment.model_id)
    tests = tuple(deployment.parallel_tests.order_by("measured_at", "recorded_at"))
    sigma, degrees, source = _known(model)
    differences = [test.predicted - test.reference for test in tests]
    compared = None
    if sigma > 0.0 and len(tests) >= LEAST_TESTS and np.ptp([test.predicted for test in tests]) > 0.0:
        reference, predicted = [test.reference for test in tests], [test.predicted for test in tests]
        compared = agreement(reference, predicted, sigma, degrees, margin=_margin(model))
    return Drift(
        tests=tests,
        sigma=sigma,
        sigma_from=source,
        ewma=tuple(Ewma(sigma).all(differences)) if sigma > 0.0 else (),
        cusum=tuple(Cusum(sigma).all(differences)) if sigma > 0.0 else (),
        agreement=compared,
        rates=tuple(_rates(deployment, model, lots)),
    )


def is_due(deployment: Deployment, now: datetime, days: int = DUE_DAYS) -> dict[str, Any] | None:
    """Facts of a parallel test that is due: a champion without one for `days`; None when it is not."""
    if deployment.role != Deployment.Role.CHAMPION or deployment.started_at is None:
        return None
    newest = deployment.parallel_tests.order_by("-measured_at").values_list("measured_at", flat=True).first()
    since = max(deployment.started_at, newest) if newest else deployment.started_at
    if now - since < timedelta(days=days):
        return None
    return {"at": since.isoformat(), "days": days, "since": since.date().isoformat()}


def _known(model: CalibrationModel) -> tuple[float, int, str]:
    """Standard deviation of differences, its degrees of freedom, and where both are from."""
    runs = ValidationRun.objects.filter(protocol__model=model, passed=True).order_by("-recorded_at")
    for results in runs.values_list("results", flat=True):
        figures = results.get("figures") or {}
        sep, count = _number(figures, "sep"), _number(figures, "n")
        if sep and count and count > 2:
            return sep, int(count) - 1, "validation"
    figures = model.figures
    sep = _number(figures, "sep") or _number(figures, "rmsecv") or 0.0
    count = _number(figures, "n_test") or _number(figures, "n_calibration") or 2.0
    return sep, max(1, int(count) - 1), "cross_validation" if "n_test" not in figures else "validation"


def _number(figures: Mapping[str, Any], name: str) -> float | None:
    value = figures.get(name)
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None


def _margin(model: CalibrationModel) -> float | None:
    """The greatest bias that the method's criteria allow."""
    criteria = model.method.criteria if model.method else []
    for one in criteria:
        if one.get("figure") == "bias" and isinstance(one.get("limit"), (int, float)) and one["limit"] > 0:
            return float(one["limit"])
    return None


def _rates(deployment: Deployment, model: CalibrationModel, lots: int) -> Iterator[LotRate]:
    """Of each of the newest lots, the oldest of them first."""
    limits = json.loads(model.description)["limits"]
    blocks = PredictionBlock.objects.filter(source=deployment.instrument.source, model_digest=model.digest)
    if deployment.started_at is not None:
        blocks = blocks.filter(recorded_at__gte=deployment.started_at)
    newest = blocks.order_by("-id").values_list("lot_no", flat=True)[: 100 * lots]
    order = list(dict.fromkeys(newest))[:lots]
    for lot_no in reversed([lot_no for lot_no in order if lot_no]):
        tables = [from_bytes(bytes(body)) for body in blocks.filter(lot_no=lot_no).values_list("body", flat=True)]
        t2 = np.concatenate([table.t2 for table in tables])
        q = np.concatenate([table.q for table in tables])
        sound = np.isfinite(t2)
        if count := int(np.count_nonzero(sound)):
            beyond = [
                exceedance(int(np.count_nonzero(values[sound] > limits[name])), count, OUTLIER)
                for values, name in ((t2, "t2_outlier"), (q, "q_outlier"))
            ]
            yield LotRate(lot_no, *beyond)
