"""What the pages of the PAT room show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.db.models.fields.json import KT
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from baro.apps.ledger.models import AuditEntry
from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Method,
    ModelChange,
    ParallelTest,
    Protocol,
    Search,
    Transfer,
    UpkeepAlarm,
    ValidationRun,
)
from baro.apps.people.roles import Permission, roles_with

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Next:
    """What a method waits for, and who may do it. address: where it is done, when that is another page."""

    words: Text
    permission: str = ""
    address: str = ""

    @property
    def who(self) -> str:
        return ", ".join(str(role.label) for role in roles_with(self.permission)) if self.permission else ""


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
    deployments = Deployment.objects.filter(model__method=method).select_related("model", "instrument")
    active = [one for one in deployments if one.state == Deployment.State.ACTIVE]
    champions = [one for one in active if one.role == Deployment.Role.CHAMPION]
    return MethodRow(method, models[0] if models else None, champions, next_step(method, models, list(deployments)))


def next_step(method: Method, models: list[CalibrationModel], deployments: list[Deployment]) -> Next | None:
    """The one thing that is to be done next for a method. None for a retired one."""
    if method.state == Method.State.RETIRED:
        return None
    if UpkeepAlarm.objects.filter(deployment__model__method=method, answered_at=None).exists():
        return Next(_("Answer the alarm of a model in use"), Permission.DEVELOP_MODEL, reverse("pat-upkeep:models"))
    if ModelChange.objects.filter(method=method, state=ModelChange.State.REQUESTED).exists():
        return Next(_("Decide on the change of the model"), Permission.APPROVE_MODEL)
    if any(one.state == Deployment.State.REQUESTED for one in deployments):
        return Next(_("Approve the use on the instrument by signature"), Permission.APPROVE_MODEL)
    if not method.criteria:
        return Next(_("Fix acceptance criteria"), Permission.DEVELOP_MODEL)
    if not models:
        return _before_a_model(method)
    return _after_a_model(models[0], deployments)


def _before_a_model(method: Method) -> Next:
    search = method.searches.first()
    if search is not None:
        address = reverse("pat:search", args=[search.id])
        if search.state in (Search.State.WAITING, Search.State.RUNNING):
            return Next(_("A search is under way"), "", address)
        return Next(_("Build a model from the search"), Permission.DEVELOP_MODEL, address)
    usable = DataSet.objects.filter(purpose=DataSet.Purpose.CALIBRATION, status=DataSet.Status.FROZEN, unit=method.unit)
    if usable.exists():
        return Next(_("Search for a model"), Permission.DEVELOP_MODEL)
    return Next(
        _("Upload spectra with reference values and freeze them"), Permission.DEVELOP_MODEL, reverse("pat:new-data-set")
    )


def _after_a_model(model: CalibrationModel, deployments: list[Deployment]) -> Next | None:
    if model.status == CalibrationModel.Status.APPROVED:
        if any(one.model_id == model.id and one.state == Deployment.State.ACTIVE for one in deployments):
            words = _("In use: parallel tests against the reference method")
            return Next(words, Permission.ENTER_REFERENCE, reverse("pat-upkeep:models"))
        return Next(_("Ask for the model to be used on an instrument"), Permission.DEVELOP_MODEL)
    if model.status == CalibrationModel.Status.RETIRED:
        return Next(_("Build a new model"), Permission.DEVELOP_MODEL)
    protocol = model.protocols.last()
    if protocol is None:
        return Next(_("Write a validation protocol for the model"), Permission.DEVELOP_MODEL)
    if protocol.state == Protocol.State.DRAFT:
        return Next(_("Fix the validation protocol by signature"), Permission.DEVELOP_MODEL)
    if protocol.state == Protocol.State.FIXED:
        return Next(_("Run the validation"), Permission.DEVELOP_MODEL)
    if protocol.runs.filter(passed=True).exists():
        return Next(_("Approve the model by signature"), Permission.APPROVE_MODEL)
    return Next(_("The validation failed: build a better model"), Permission.DEVELOP_MODEL)


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
        .filter(Q(action="INSERT") | ~Q(state=None, status=None, criteria=None, scope=None, answer=None))
        .order_by("-id")
        .values(
            "at", "actor", "reason", "action", "record_id", "state", "status", "criteria", "scope", "answer", "passed"
        )
    )
    found = []
    for entry in entries:
        kind, what, address, words = things[entry["record_id"]]
        found.append(Moment(entry["at"], kind, what, _event(entry, words), entry["actor"], entry["reason"], address))
    return found


def _event(entry: dict[str, Any], words: dict[str, Text]) -> Text:
    if entry["action"] == "INSERT":
        if entry["passed"] is not None:
            return _("passed") if entry["passed"] == "true" else _("not passed")
        return _("recorded")
    told = entry["state"] or entry["status"]
    if told:
        return words.get(told, told)
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

    add(_data_sets(method), _("Data set"), str, lambda one: reverse("pat:data-set", args=[one.code]), DataSet.Status)
    add(
        method.searches.select_related("data_set"),
        _("Model search"),
        lambda one: one.data_set.code,
        lambda one: reverse("pat:search", args=[one.id]),
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
    deployments = Deployment.objects.filter(model__method=method).select_related("model", "instrument")
    add(
        deployments,
        _("Use"),
        lambda one: f"{one.model} · {one.instrument} · {one.get_role_display()}",
        lambda one: "",
        Deployment.State,
    )
    changes = method.changes.select_related("old", "new")
    add(changes, _("Change"), lambda one: f"{one.old} → {one.new}", lambda one: "", ModelChange.State)
    transfers = Transfer.objects.filter(model__method=method).select_related("model")
    add(transfers, _("Transfer"), lambda one: one.model, lambda one: "", Transfer.State)
    alarms = UpkeepAlarm.objects.filter(deployment__model__method=method).select_related("deployment__model")
    add(alarms, _("Alarm"), lambda one: f"{one.deployment.model} · {one.get_kind_display()}", lambda one: "")
    return here


def _data_sets(method: Method) -> Iterable[DataSet]:
    used = Q(searches__method=method) | Q(models__method=method) | Q(protocols__model__method=method)
    return DataSet.objects.filter(used).distinct()


def data_sets_of(method: Method) -> list[DataSet]:
    """The data sets that a method's searches, models and protocols are of."""
    return list(_data_sets(method))


def parallel_tests_of(method: Method) -> int:
    """How many parallel tests its models have."""
    return ParallelTest.objects.filter(deployment__model__method=method).count()


def model_address(model: CalibrationModel) -> str:
    """The page of a model."""
    return f"/pat/models/{model.code}/{model.version}"


def protocol_address(protocol: Protocol) -> str:
    """The page of a validation protocol."""
    return f"/pat/protocols/{protocol.id}"


def _words(states: Any) -> dict[str, Text]:
    return dict(states.choices) if states else {}
