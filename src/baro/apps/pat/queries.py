"""What the pages of the PAT room show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.fields.json import KT
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from baro.apps.ledger.models import Action, AuditEntry
from baro.apps.ledger.words import reason_words
from baro.apps.pat.addresses import (
    data_set_address,
    deployment_address,
    model_address,
    protocol_address,
    search_address,
    transfer_address,
)
from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Exclusion,
    Method,
    ModelChange,
    Protocol,
    Search,
    TestLook,
    Transfer,
    UpkeepAlarm,
    ValidationRun,
)
from baro.apps.pat.next_steps import Next, next_step

Text = str | Promise


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method as the list shows it."""

    method: Method
    latest: CalibrationModel | None
    champions: list[Deployment]
    next: Next | None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to a method or to what belongs to it."""

    at: datetime
    kind: Text
    what: str
    event: Text
    who: str
    reason: str
    address: str = ""


def models_of(method: Method) -> list[CalibrationModel]:
    """The models of a method, the newest first, without their numbers."""
    found = method.models.defer("arrays", "description").select_related("data_set", "search", "approval")
    return list(found.order_by("-version"))


def method_rows() -> list[MethodRow]:
    """Every method, those that are alive first."""
    order = [Method.State.APPROVED, Method.State.DEVELOPMENT, Method.State.RETIRED]
    methods = sorted(Method.objects.select_related("product"), key=lambda one: (order.index(one.state), one.code))  # type: ignore[arg-type]
    return [_row(method) for method in methods]


def _row(method: Method) -> MethodRow:
    models = models_of(method)
    deployments = deployments_of(method)
    active = [one for one in deployments if one.state == Deployment.State.ACTIVE]
    champions = [one for one in active if one.role == Deployment.Role.CHAMPION]
    return MethodRow(method, models[0] if models else None, champions, next_step(method, models, deployments))


def deployments_of(method: Method) -> list[Deployment]:
    """Where the models of a method are or were in use, the newest request first."""
    found = Deployment.objects.filter(model__method=method).select_related("model", "instrument", "approval")
    return list(found.defer("model__arrays", "model__description"))


# --- the history of a method


def history(method: Method) -> list[Moment]:
    """All that happened to a method, its data, searches, models, protocols, runs, uses, changes and alarms, the newest
    first. Taken from the audit trail, so that nothing is left out that was changed by whatever way."""
    things = _things(method)
    entries = (
        AuditEntry.objects.filter(record_id__in=list(things))
        .annotate(
            state=KT("new__state"), status=KT("new__status"), criteria=KT("new__criteria"), scope=KT("new__scope")
        )
        .annotate(answer=KT("new__answer"), passed=KT("new__passed"))
        .filter(Q(action=Action.INSERT) | ~Q(state=None, status=None, criteria=None, scope=None, answer=None))
        .order_by("-id")
        .values(
            "at", "actor", "reason", "action", "record_id", "state", "status", "criteria", "scope", "answer", "passed"
        )
    )
    found = []
    for entry in entries:
        kind, what, address, words = things[entry["record_id"]]
        event, reason = _event(entry, words), reason_words(entry["reason"])
        found.append(Moment(entry["at"], kind, what, event, entry["actor"], reason, address))
    return found


def _event(entry: dict[str, Any], words: dict[str, Text]) -> Text:
    if entry["passed"] is not None:
        return _("passed") if entry["passed"] == "true" else _("not passed")
    told = entry["state"] or entry["status"]
    if told:
        return words.get(told, told)
    if entry["action"] == Action.INSERT:
        return _("recorded")
    if entry["answer"]:
        return _("answered")
    return _("criteria set") if entry["criteria"] else _("scope set")


Thing = tuple[Text, str, str, dict[str, Text]]


def _things(method: Method) -> dict[str, Thing]:
    """(kind, what, address, words of its states) by the key of each record that belongs to a method."""
    here: dict[str, Thing] = {str(method.id): (_("Method"), method.code, "", _words(Method.State))}

    def add(found: Iterable[Any], kind: Text, what: Any, address: Any, states: Any = ()) -> None:
        for one in found:
            here[str(one.id)] = (kind, str(what(one)), address(one), _words(states))

    add(_data_sets(method), _("Data set"), str, data_set_address, DataSet.Status)

    def data_set_of(one: Exclusion | TestLook) -> str:
        return data_set_address(one.data_set)

    excluded = Exclusion.objects.filter(data_set__in=_data_sets(method)).select_related("data_set")
    add(excluded, _("Excluded sample"), lambda one: f"{one.data_set} · {one.sample}", data_set_of)
    looks = TestLook.objects.filter(data_set__in=_data_sets(method)).select_related("data_set")
    add(looks, _("Look at the test set"), lambda one: one.data_set, data_set_of)
    add(
        method.searches.select_related("data_set"),
        _("Model search"),
        lambda one: one.data_set.code,
        search_address,
        Search.State,
    )
    models = method.models.defer("arrays", "description")
    add(models, _("Model"), str, model_address, CalibrationModel.Status)
    protocols = Protocol.objects.filter(model__method=method).select_related("model", "test_set")
    add(
        protocols,
        _("Validation protocol"),
        lambda one: f"{one.model} · {one.test_set}",
        protocol_address,
        Protocol.State,
    )
    runs = ValidationRun.objects.filter(protocol__model__method=method).select_related("protocol__model")
    add(runs, _("Validation"), lambda one: one.protocol.model, lambda one: protocol_address(one.protocol))
    add(
        deployments_of(method),
        _("Use"),
        lambda one: f"{one.model} · {one.instrument} · {one.get_role_display()}",
        deployment_address,
        Deployment.State,
    )
    changes = method.changes.select_related("old", "new")
    add(changes, _("Change"), lambda one: f"{one.old} → {one.new}", lambda one: "", ModelChange.State)
    transfers = Transfer.objects.filter(model__method=method).select_related("model", "instrument")
    add(
        transfers,
        _("Transfer"),
        lambda one: f"{one.model} → {one.instrument}",
        transfer_address,
        Transfer.State,
    )
    alarms = UpkeepAlarm.objects.filter(deployment__model__method=method).select_related("deployment__model")
    add(alarms, _("Alarm"), lambda one: f"{one.deployment.model} · {one.get_kind_display()}", lambda one: "")
    return here


def _data_sets(method: Method) -> Iterable[DataSet]:
    used = Q(searches__method=method) | Q(models__method=method) | Q(protocols__model__method=method)
    return DataSet.objects.filter(used).distinct()


def data_sets_of(method: Method) -> list[DataSet]:
    """The data sets that a method's searches, models and protocols are of."""
    return list(_data_sets(method))


def _words(states: Any) -> dict[str, Text]:
    return dict(states.choices) if states else {}
