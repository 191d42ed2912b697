"""Models in use: where each is, who signed for it, and what it says of the spectra that arrive.

Call within the company's context.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import numpy as np
from django.db.models import Count, Q, QuerySet, Sum
from django.utils.translation import gettext as _

from baro.apps.pat.figure_words import number
from baro.apps.pat.models import Deployment, PredictionBlock
from baro.apps.pat.predictions import PredictionTable, from_bytes
from baro.apps.pat.services import deployment_holds, operator_for
from baro.science.chemometrics.model import Fitted

SHOWN = 240
"""Of a model in use its newest predictions are drawn, not all of a lot."""
BLOCKS_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest spectrum that a model predicted on an instrument."""

    lot_no: str
    sample: str
    value: str
    unit: str
    usable: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class DeploymentRow:
    """A model on an instrument as the list shows it. holds: a champion's signature stands for it as it is now."""

    deployment: Deployment
    holds: bool
    latest: Latest | None
    alarms: int


def deployments() -> QuerySet[Deployment]:
    """Every deployment with what its page shows, without the models' numbers."""
    found = Deployment.objects.select_related(
        "model__method", "instrument__equipment", "approval", "requested_by"
    ).defer("model__arrays", "model__description")
    return found.annotate(open_alarms=Count("alarms", filter=Q(alarms__answered_at=None)))


def deployment_rows() -> list[DeploymentRow]:
    """All models on all instruments: those in use first, then those that wait, then those that have ended; in each by
    instrument, the one in force before its challengers, the newest first."""
    states = [Deployment.State.ACTIVE, Deployment.State.REQUESTED, Deployment.State.ENDED]
    roles = list(Deployment.Role)

    def key(one: Deployment) -> tuple[int, str, int, float]:
        at = one.ended_at or one.started_at or one.requested_at
        state, role = Deployment.State(one.state), Deployment.Role(one.role)
        return states.index(state), one.instrument.code, roles.index(role), -at.timestamp()

    return [
        DeploymentRow(one, deployment_holds(one), latest_of(one), one.open_alarms)
        for one in sorted(deployments(), key=key)
    ]


def latest_of(deployment: Deployment) -> Latest | None:
    """The newest prediction of a deployment; None before the first."""
    block = _blocks(deployment).first()
    if block is None:
        return None
    table, model = from_bytes(bytes(block.body)), deployment.model
    unit = model.method.unit if model.method else operator_for(model.digest).model.unit
    value, usable = number(_finite(table.value[-1])), bool(table.usable[-1])
    return Latest(block.lot_no, table.sample[-1], value, unit, usable, block.recorded_at)


def live_of(deployment: Deployment, most: int = SHOWN) -> dict[str, Any]:
    """What a model says of the newest spectra of its newest lot on the instrument, as columns for the charts.

    Values are in the model's unit, T² and Q divided by their outlier limits. limits, calibration: of the charts.
    """
    fitted = operator_for(deployment.model.digest).model
    blocks = _newest(deployment, most)
    rows: dict[str, list[Any]] = {name: [] for name in ("sample", "value", "t2", "q", "usable")}
    for block in blocks:
        _add(rows, from_bytes(bytes(block.body)), fitted)
    rows = {name: column[-most:] for name, column in rows.items()}
    reference = fitted.calibration.reference
    return {
        **rows,
        "lot": blocks[-1].lot_no if blocks else "",
        "count": counted(deployment, blocks[-1].lot_no) if blocks else 0,
        "model": {
            "t2_extreme": fitted.limits.t2_extreme / fitted.limits.t2_outlier,
            "q_extreme": fitted.limits.q_extreme / fitted.limits.q_outlier,
            "t2": _short(fitted.calibration.t2_cv[0] / fitted.limits.t2_outlier),
            "q": _short(fitted.calibration.q_cv[0] / fitted.limits.q_outlier),
        },
        "range": [float(reference.min()), float(reference.max())],
        "unit": fitted.unit,
        "words": {
            "value": _("Predicted (%(unit)s)") % {"unit": fitted.unit},
            "sample": _("Sample"),
            "inside": _("inside the model"),
            "outside": _("outside the model"),
            "order": _("Spectrum, in the order of measurement"),
            "calibrated": _("calibrated from %(low)s to %(high)s")
            % {"low": number(float(reference.min())), "high": number(float(reference.max()))},
        },
    }


def counted(deployment: Deployment, lot_no: str) -> int:
    """How many spectra of a lot the model predicted on the instrument."""
    found: int | None = _blocks(deployment).filter(lot_no=lot_no).aggregate(sum=Sum("count"))["sum"]
    return found or 0


def _blocks(deployment: Deployment) -> QuerySet[PredictionBlock]:
    """What the model predicted of the instrument's spectra while it was in use there, the newest first."""
    found = PredictionBlock.objects.filter(source=deployment.instrument.source, model_digest=deployment.model.digest)
    if deployment.started_at is None:
        return found.none()
    found = found.filter(recorded_at__gte=deployment.started_at)
    if deployment.ended_at is not None:
        found = found.filter(recorded_at__lte=deployment.ended_at)
    return found.order_by("-id")


def _newest(deployment: Deployment, most: int) -> list[PredictionBlock]:
    """The newest blocks of the newest lot that hold `most` spectra together, in the order of measurement."""
    found: list[PredictionBlock] = []
    for block in _blocks(deployment)[: max(BLOCKS_AT_ONCE, most)]:
        if (found and block.lot_no != found[0].lot_no) or sum(one.count for one in found) >= most:
            break
        found.append(block)
    return sorted(found, key=lambda one: (one.epoch, one.first_seq))


def _add(rows: dict[str, list[Any]], table: PredictionTable, fitted: Fitted) -> None:
    rows["sample"] += table.sample
    rows["value"] += [_finite(value) for value in table.value]
    rows["t2"] += [_finite(value) for value in table.t2 / fitted.limits.t2_outlier]
    rows["q"] += [_finite(value) for value in table.q / fitted.limits.q_outlier]
    rows["usable"] += table.usable.tolist()


def _finite(value: Any) -> float | None:
    return float(f"{value:.6g}") if isfinite(value) else None


def _short(values: Any) -> list[float]:
    return [round(float(value), 4) for value in np.asarray(values)]
