"""Looking after models in use: what speaks against one becomes an alarm."""

from __future__ import annotations

from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.services import Program, reading
from baro.apps.pat.drifting import drift_of, is_due
from baro.apps.pat.models import Deployment, UpkeepAlarm
from baro.apps.pat.services.upkeep import raise_alarm


def watch_models(company: UUID) -> list[UpkeepAlarm]:
    """Look at every model in use on an instrument, and raise what is new since its last alarm of the same kind.

    New is a parallel test, a lot, or a day on which a test fell due, of which no alarm has told, answered or not.
    """
    raised = []
    now = timezone.now()
    with reading(company):
        watched = list(Deployment.objects.filter(state=Deployment.State.ACTIVE).select_related("model", "instrument"))
    for deployment in watched:
        with reading(company):
            found = list(drift_of(deployment).alarms())
            if due := is_due(deployment, now):
                found.append((UpkeepAlarm.Kind.DUE, due))
            told = {
                (kind, detail.get("at"))
                for kind, detail in UpkeepAlarm.objects.filter(deployment=deployment).values_list("kind", "detail")
            }
        for kind, detail in found:
            if (kind, detail["at"]) not in told:
                raised.append(raise_alarm(Program("baro worker", company), deployment, kind, detail, "model watched"))
    return raised
