"""What a method, a data set, a model waits for next, who may do it, and on which page."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from baro.apps.pat.addresses import deployment_address, model_address, protocol_address, search_address
from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Method,
    ModelChange,
    Protocol,
    Search,
    UpkeepAlarm,
    ValidationRun,
)
from baro.apps.people.models import User
from baro.apps.people.roles import Permission, roles_with

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Next:
    """What is waited for, and who may do it. address: the page where it is done."""

    words: Text
    permission: str = ""
    address: str = ""

    @property
    def who(self) -> str:
        return ", ".join(str(role.label) for role in roles_with(self.permission)) if self.permission else ""


def next_step(method: Method, models: list[CalibrationModel], deployments: list[Deployment]) -> Next | None:
    """The one thing that is to be done next for a method. None for a retired one.

    models: the newest first. deployments: of all of them.
    """
    if method.state == Method.State.RETIRED:
        return None
    here = reverse("pat:method", args=[method.code])
    if UpkeepAlarm.objects.filter(deployment__model__method=method, answered_at=None).exists():
        return Next(_("Answer the alarm of a model in use"), Permission.DEVELOP_MODEL, reverse("pat-upkeep:models"))
    if ModelChange.objects.filter(method=method, state=ModelChange.State.REQUESTED).exists():
        return Next(_("Decide on the change of the model"), Permission.APPROVE_MODEL, here)
    if asked := [one for one in deployments if one.state == Deployment.State.REQUESTED]:
        return _to_approve(asked[0])
    if not method.criteria:
        return Next(_("Fix acceptance criteria"), Permission.DEVELOP_MODEL, here)
    if not models:
        return _before_a_model(method, here)
    return next_of_model(models[0], deployments)


def next_of_model(model: CalibrationModel, deployments: list[Deployment]) -> Next | None:
    """What a model waits for; deployments: of its method, or its own."""
    here = model_address(model)
    own = [one for one in deployments if one.model_id == model.id]
    if asked := [one for one in own if one.state == Deployment.State.REQUESTED]:
        return _to_approve(asked[0])
    if model.status == CalibrationModel.Status.APPROVED:
        champions = [one for one in own if one.role == Deployment.Role.CHAMPION]
        if used := [one for one in champions if one.state == Deployment.State.ACTIVE]:
            address = reverse("pat-upkeep:model", args=[used[0].id])
            return Next(_("In use: parallel tests against the reference method"), Permission.ENTER_REFERENCE, address)
        return Next(_("Ask for the model to be used on an instrument"), Permission.DEVELOP_MODEL, here)
    if model.status == CalibrationModel.Status.RETIRED:
        address = reverse("pat:method", args=[model.method.code]) if model.method else ""
        return Next(_("Build a new model"), Permission.DEVELOP_MODEL, address)
    return _to_validate(model, here)


def next_of_data_set(data_set: DataSet) -> Next | None:
    """What a data set is there for next. None for transfer standards, which their transfer says more of."""
    if data_set.status != DataSet.Status.FROZEN:
        return Next(_("Freeze the data set: models and tests are made of frozen ones only"), Permission.DEVELOP_MODEL)
    if data_set.purpose == DataSet.Purpose.CALIBRATION:
        return _of_calibration(data_set)
    return _of_test_set(data_set) if data_set.purpose == DataSet.Purpose.TEST else None


def next_of_search(search: Search) -> Next:
    """What comes of a search of which no model was built yet."""
    here = search_address(search)
    if search.state in (Search.State.WAITING, Search.State.RUNNING):
        return Next(_("A search is under way"), "", here)
    if not search.results:
        return Next(_("Go on with the search, or start another one"), Permission.DEVELOP_MODEL, here)
    return Next(_("Build a model from the search"), Permission.DEVELOP_MODEL, here)


def waiting_for(user: User) -> int:
    """How many models, uses and changes wait for the signature of this person."""
    if not user.may(Permission.APPROVE_MODEL):
        return 0
    asked = Deployment.objects.filter(state=Deployment.State.REQUESTED).exclude(requested_by=user).count()
    changes = ModelChange.objects.filter(state=ModelChange.State.REQUESTED).exclude(requested_by=user).count()
    trial = CalibrationModel.objects.filter(status=CalibrationModel.Status.TRIAL).exclude(registered_by=user)
    passed = ValidationRun.objects.filter(protocol__model__in=trial.values("id"), passed=True)
    failed = ValidationRun.objects.filter(protocol__model__in=trial.values("id"), passed=False)
    judged = passed.exclude(protocol__model__in=failed.values("protocol__model"))
    return asked + changes + judged.values("protocol__model").distinct().count()


def notices(user: User) -> list[tuple[str, str]]:
    """What waits for this person's hand: (words, name of the page)."""
    count = waiting_for(user)
    return [(_("Models that wait for your signature: %(n)s") % {"n": count}, "pat:methods")] if count else []


def _to_approve(deployment: Deployment) -> Next:
    words = _("Approve the use on the instrument by signature")
    return Next(words, Permission.APPROVE_MODEL, deployment_address(deployment))


def _before_a_model(method: Method, here: str) -> Next:
    search = method.searches.first()
    if search is not None:
        return next_of_search(search)
    usable = DataSet.objects.filter(purpose=DataSet.Purpose.CALIBRATION, status=DataSet.Status.FROZEN, unit=method.unit)
    if usable.exists():
        return Next(_("Search for a model"), Permission.DEVELOP_MODEL, here)
    words = _("Upload spectra with reference values and freeze them")
    return Next(words, Permission.DEVELOP_MODEL, reverse("pat:new-data-set"))


def _to_validate(model: CalibrationModel, here: str) -> Next:
    protocol = model.protocols.last()
    if protocol is None:
        sets = DataSet.objects.filter(purpose=DataSet.Purpose.TEST, status=DataSet.Status.FROZEN)
        if not sets.filter(axis_digest=model.axis_digest).exists():
            words = _("Upload an independent test set and freeze it")
            return Next(words, Permission.DEVELOP_MODEL, reverse("pat:new-data-set"))
        return Next(_("Write a validation protocol for the model"), Permission.DEVELOP_MODEL, here)
    there = protocol_address(protocol)
    if protocol.state == Protocol.State.DRAFT:
        return Next(_("Fix the validation protocol by signature"), Permission.DEVELOP_MODEL, there)
    if protocol.state == Protocol.State.FIXED:
        return Next(_("Run the validation"), Permission.DEVELOP_MODEL, there)
    runs = list(ValidationRun.objects.filter(protocol__model_id=model.id).values_list("passed", flat=True))
    if runs and all(runs):
        return Next(_("Approve the model by signature"), Permission.APPROVE_MODEL, here)
    address = reverse("pat:method", args=[model.method.code]) if model.method else ""
    return Next(_("The validation failed: build a better model"), Permission.DEVELOP_MODEL, address)


def _of_calibration(data_set: DataSet) -> Next | None:
    built = data_set.models.defer("arrays", "description").order_by("-version").first()
    if built is not None:
        return next_of_model(built, list(built.deployments.all()))
    search = data_set.searches.first()
    if search is not None:
        return next_of_search(search)
    if Method.objects.filter(unit=data_set.unit).exclude(state=Method.State.RETIRED).exists():
        return Next(_("Search for a model"), Permission.DEVELOP_MODEL)
    words = _("Make a method in the unit %(unit)s: models belong to one") % {"unit": data_set.unit}
    return Next(words, Permission.DEVELOP_MODEL, reverse("pat:methods"))


def _of_test_set(data_set: DataSet) -> Next | None:
    protocol = data_set.protocols.last()
    if protocol is not None:
        words = {
            Protocol.State.DRAFT: _("Fix the validation protocol by signature"),
            Protocol.State.FIXED: _("Run the validation"),
        }.get(Protocol.State(protocol.state))
        return Next(words, Permission.DEVELOP_MODEL, protocol_address(protocol)) if words else None
    trial = CalibrationModel.objects.filter(
        status=CalibrationModel.Status.TRIAL, axis_digest=data_set.axis_digest, method__unit=data_set.unit
    )
    model = trial.defer("arrays", "description").order_by("code", "version").last()
    if model is None:
        return Next(_("Build a model that is to be tested with it"), Permission.DEVELOP_MODEL, reverse("pat:methods"))
    words = _("Write a validation protocol for the model %(model)s") % {"model": model}
    return Next(words, Permission.DEVELOP_MODEL, model_address(model))
