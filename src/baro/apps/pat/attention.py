"""Models in use at a glance: how each does, and which one needs somebody. Call within the company's context."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone

from baro.apps.pat.advising import Advice, advise
from baro.apps.pat.checks import standing_checks
from baro.apps.pat.drifting import MOST_LOTS, Drift, drift_of, is_due
from baro.apps.pat.models import Deployment, HealthCheck, UpkeepAlarm
from baro.apps.pat.services.models import operator_for

ORDER = ("failed", "needs_review", "met")
"""How much a state weighs, the most pressing first."""


@dataclass(frozen=True, eq=False)
class Look:
    """A model in use, as it does now. checks: the newest of each kind with each standard; alarms: not answered yet."""

    deployment: Deployment
    drift: Drift
    checks: list[HealthCheck]
    alarms: list[UpkeepAlarm]
    advice: list[Advice]

    @property
    def state(self) -> str:
        """``failed``: something is wrong, or an alarm waits; ``needs_review``: something is missing; ``met``."""
        states = {one.state for one in self.advice} | ({"failed"} if self.alarms else set())
        return next(state for state in ORDER if state in states)

    @property
    def failed(self) -> list[HealthCheck]:
        return [check for check in self.checks if not check.passed]

    @property
    def last_test(self) -> datetime | None:
        return self.drift.tests[-1].measured_at if self.drift.tests else None


def look_at(deployment: Deployment, lots: int = MOST_LOTS) -> Look:
    """How a model in use does, with the rates of its newest `lots`."""
    drift = drift_of(deployment, lots)
    checks = standing_checks(deployment.instrument_id)
    failed = [f"{check.get_kind_display()} ({check.standard})" for check in checks if not check.passed]
    due = is_due(deployment, timezone.now()) if deployment.state == Deployment.State.ACTIVE else None
    alarms = deployment.alarms.filter(answered_at=None).select_related("answered_by")
    return Look(deployment, drift, checks, list(alarms), advise(drift, failed, due))


def unit_of(deployment: Deployment) -> str:
    """The unit of what a deployed model predicts."""
    method = deployment.model.method
    return method.unit if method else operator_for(deployment.model.digest).model.unit


def in_use() -> QuerySet[Deployment]:
    """Deployments that are active, in force and in the shadow."""
    found = Deployment.objects.filter(state=Deployment.State.ACTIVE)
    return found.select_related("model__method", "instrument").defer("model__arrays", "model__description")


def looks() -> list[Look]:
    """Every model in use, those that need somebody first."""
    found = [look_at(deployment, lots=1) for deployment in in_use()]
    return sorted(found, key=lambda one: (ORDER.index(one.state), one.deployment.role, str(one.deployment.model)))
