"""One model with its linked plots and what comes next; two models side by side."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.pat import services
from baro.apps.pat.addresses import deployment_address, protocol_address
from baro.apps.pat.criteria import from_lines, to_lines
from baro.apps.pat.errors import CriteriaInvalid
from baro.apps.pat.figure_words import figure_choices, number
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, ValidationRun
from baro.apps.pat.next_steps import next_of_model
from baro.apps.pat.pages.asking import REASON, Field, dialog, why_not
from baro.apps.pat.plots import chart_titles, compared, identity_of, model_data, plot_words
from baro.apps.pat.words import steps_told
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument

FIGURE_NAMES = {
    "latent_variables": "LV",
    "rmsec": "RMSEC",
    "rmsecv": "RMSECV",
    "rmsecv_random": "RMSECV*",
    "bias": "bias",
    "sep": "SEP",
    "slope": "slope",
    "r2": "R²",
    "rpd": "RPD",
}


@require_GET
def model(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """A model: who made it of what, its plots, its validations, and the next step."""
    found = _found(code, version)
    data = model_data(found)
    unit = _unit(found)
    protocols = list(found.protocols.select_related("test_set"))
    runs = list(ValidationRun.objects.filter(protocol__model_id=found.id).order_by("recorded_at"))
    deployments = list(found.deployments.select_related("instrument"))
    page: dict[str, Any] = {
        "section": "pat-methods",
        "model": found,
        "identity": identity_of(found, found.data_set),
        "unit": unit,
        "figures": [
            (name, number(data["figures"][key])) for key, name in FIGURE_NAMES.items() if key in data["figures"]
        ],
        "protocols": [(one, next((run for run in runs if run.protocol_id == one.id), None)) for one in protocols],
        "passed": any(run.passed for run in runs),
        "deployments": deployments,
        "others": _others(found),
        "next": next_of_model(found, deployments),
        "acts": _acts(request, found, runs),
        "recipe": steps_told(found.recipe or ()),
        "data": data,
        "words": plot_words(unit),
        "titles": chart_titles(),
        # an odd number of charts leaves no hole: the spectra take the whole width
        "solo": "rmsecv" not in data,
        "components": range(1, len(data.get("scores", ())) + 1),
        "curves": range(1, len(data["loadings"]) + 1),
    }
    return render(request, "pat/model.html", page)


@require_http_methods(["GET", "POST"])
def validate(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """The dialog that drafts a protocol: a test set and criteria."""
    found = _found(code, version)
    sets = DataSet.objects.filter(
        purpose=DataSet.Purpose.TEST, status=DataSet.Status.FROZEN, axis_digest=found.axis_digest
    ).order_by("-frozen_at")
    materials = DataSet.objects.filter(
        purpose=DataSet.Purpose.SPECIFICITY, status=DataSet.Status.FROZEN, axis_digest=found.axis_digest
    ).order_by("-frozen_at")
    lines = to_lines(found.method.criteria) if found.method else ""
    fields = [
        Field(
            "test_set",
            _("Test set"),
            "select",
            options=[(str(one.id), f"{one.code} (n = {one.count})") for one in sets] or [("", _("none"))],
        ),
        Field(
            "others",
            _("What is not the product"),
            "select",
            options=[
                ("", _("none: specificity is not told")),
                *((str(one.id), f"{one.code} (n = {one.count})") for one in materials),
            ],
        ),
        Field("criteria", _("Acceptance criteria"), "criteria", lines, figure_choices()),
        REASON,
    ]

    def act(typed: dict[str, str]) -> str:
        chosen = sets.filter(id=_uuid(typed["test_set"])).first()
        if chosen is None:
            raise CriteriaInvalid(detail=_("there is no frozen test set on the model's axis"))
        others = materials.filter(id=_uuid(typed["others"])).first()
        wanted = from_lines(typed["criteria"])
        made = services.draft_protocol(request.user, found, chosen, wanted, typed["reason"], others)
        return protocol_address(made)

    note = _("The signature that comes next fixes test set and criteria. Only after it the test set is looked at.")
    if not sets:
        note = _("There is no frozen test set on the model's axis. Upload one with the purpose of an independent test.")
    return dialog(
        request, _("Draft a validation protocol"), _("Draft the protocol"), fields, act, note=note, name="validate"
    )


@require_http_methods(["GET", "POST"])
def approve(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """The signature dialog that approves a model for decisions."""
    found = _found(code, version)

    def signed(given: Given) -> None:
        services.approve_model(
            request.user, given.password, found, given.reason, given.opened.seen, given.address, given.opened
        )

    content = services.model_content(found)
    act = Act(
        key="approve-model",
        record_type="pat.CalibrationModel",
        record_id=found.id,
        seen=content_hash(content),
        permission=Permission.APPROVE_MODEL,
        meaning=Meaning.APPROVAL,
        title=_("Approve the model"),
        record=str(found),
        button=_("Approve the model"),
        url=request.path,
        facts=[
            (_("Digest"), found.digest),
            (_("Data set"), found.data_set.code if found.data_set else _("none")),
            (
                _("Validations"),
                ", ".join(_("passed") if one else _("not passed") for one in content.get("validation", {}).values())
                or _("none"),
            ),
        ],
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def deploy(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """The dialog that asks for the model's use on an instrument."""
    found = _found(code, version)
    instruments = Instrument.objects.order_by("code")
    approved = found.status == CalibrationModel.Status.APPROVED
    role = Deployment.Role.CHAMPION if approved else Deployment.Role.CHALLENGER
    fields = [
        Field(
            "instrument",
            _("Instrument"),
            "select",
            options=[(str(one.id), f"{one.code} · {one.title}") for one in instruments] or [("", _("none"))],
        ),
        Field("role", _("Role"), "select", role, list(Deployment.Role.choices)),
        REASON,
    ]

    def act(typed: dict[str, str]) -> str:
        instrument = get_object_or_404(instruments, id=_uuid(typed["instrument"]))
        made = services.request_deployment(request.user, found, instrument, typed["role"], typed["reason"])
        return deployment_address(made)

    note = _(
        "A model in force waits for the signature of the head of quality; one in the shadow predicts at once and"
        " decides nothing."
    )
    return dialog(request, _("Use on an instrument"), _("Ask for it"), fields, act, note=note, name="deploy")


@require_http_methods(["GET", "POST"])
def retire(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """The dialog that takes a model out of use for good."""
    found = _found(code, version)
    if not request.user.may(Permission.APPROVE_MODEL):
        raise request.user.why_not(Permission.APPROVE_MODEL)

    def act(typed: dict[str, str]) -> None:
        services.retire_model(request.user, found, typed["reason"])

    note = _("It ends on every instrument and never comes back. Its records and what it predicted stay.")
    words = _("Retire the model")
    return dialog(request, words, words, [REASON], act, note=note, name="retire")


@require_GET
def report(request: HttpRequest, code: str, version: int) -> HttpResponse:
    """The validation report of a model, of the last run that it passed."""
    run = (
        ValidationRun.objects.filter(protocol__model_id=_found(code, version).id)
        .order_by("passed", "recorded_at")
        .last()
    )
    if run is None:
        raise Http404
    return HttpResponseRedirect(reverse("pat-models:report", args=[run.protocol_id]))


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Two models side by side: a and b as code/version."""
    first, second = (_named(request.GET.get(name, "")) for name in ("a", "b"))
    data = compared(first, second)
    figures = [
        (words, number(first.figures.get(key)), number(second.figures.get(key)))
        for key, words in FIGURE_NAMES.items()
        if key in first.figures or key in second.figures
    ]
    page = {
        "section": "pat-methods",
        "models": [first, second],
        "figures": figures,
        "identity": " | ".join(identity_of(one, one.data_set) for one in (first, second)),
        "shared": len(data["sample"]),
        "paired_p": number(data["paired_p"]),
        "data": data,
        "words": plot_words(_unit(first)),
    }
    return render(request, "pat/compare.html", page)


def _acts(request: HttpRequest, found: CalibrationModel, runs: list[ValidationRun]) -> list[dict[str, Any]]:
    """Buttons for what may come next; each with the reason when it cannot be done now, or not by this person."""
    trial, approved = (
        found.status == status for status in (CalibrationModel.Status.TRIAL, CalibrationModel.Status.APPROVED)
    )
    passed = bool(runs) and all(run.passed for run in runs)
    used = found.deployments.filter(role=Deployment.Role.CHAMPION).exclude(state=Deployment.State.ENDED).exists()
    over = "" if trial else _("the model is not for trial any more")
    waits, shadow = over, ""
    if trial and found.method_id and not passed:
        waits = _("the model has not passed its validation")
    elif trial and found.registered_by_id == request.user.id:
        waits = _("who made a model does not approve it")
    if not approved:
        # a challenger needs no approval
        shadow = (over and _("the model is retired")) or _("the model is not approved; it can run in the shadow")
    steps = (
        ("validate", _("Draft a validation protocol"), Permission.DEVELOP_MODEL, over, over, trial and not passed),
        ("approve", _("Approve the model"), Permission.APPROVE_MODEL, waits, waits, trial and passed),
        (
            "deploy",
            _("Use on an instrument"),
            Permission.DEVELOP_MODEL,
            shadow,
            "" if trial else shadow,
            approved and not used,
        ),
        ("retire", _("Retire the model"), Permission.APPROVE_MODEL, "", "", False),
    )
    made = []
    for key, words, permission, why, blocks, due in steps:
        refused = why_not(request, permission)
        blocked = refused or blocks
        if key == "retire" and (refused or found.status == CalibrationModel.Status.RETIRED):
            continue
        made.append(
            {
                "key": key,
                "words": words,
                "why": blocked or why,
                "open": not blocked,
                "primary": due and not blocked,
                "url": reverse(f"pat-models:{key}", args=[found.code, found.version]),
            }
        )
    return made


def _others(found: CalibrationModel) -> list[CalibrationModel]:
    same = CalibrationModel.objects.defer("arrays", "description").filter(axis_digest=found.axis_digest)
    return list(same.exclude(id=found.id).order_by("code", "-version")[:20])


def _found(code: str, version: int) -> CalibrationModel:
    every = CalibrationModel.objects.select_related(
        "method", "data_set", "search", "registered_by", "approval", "replaces"
    ).defer("arrays", "description", "replaces__arrays", "replaces__description")
    return get_object_or_404(every, code=code, version=version)


def _named(told: str) -> CalibrationModel:
    code, _slash, version = told.rpartition("/")
    if not (code and version.isdigit()):
        raise Http404
    return _found(code, int(version))


def _unit(found: CalibrationModel) -> str:
    return found.method.unit if found.method else services.operator_for(found.digest).model.unit


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
