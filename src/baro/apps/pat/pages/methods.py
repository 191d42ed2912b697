"""Methods: the list with what each waits for, and one method with its whole history."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.archive.accounts import account_name
from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.pat import queries, services
from baro.apps.pat.criteria import from_lines, to_lines
from baro.apps.pat.errors import MethodInvalid
from baro.apps.pat.figure_words import FIGURES, figure_choices, limit_words, unit_of
from baro.apps.pat.models import CalibrationModel, Method, ModelChange
from baro.apps.pat.next_steps import next_step
from baro.apps.pat.pages.asking import REASON, Field, dialog, number, why_not
from baro.apps.people.roles import Permission
from baro.apps.quality.models import Product


@require_GET
def methods(request: HttpRequest) -> HttpResponse:
    """Every method: its state, its latest model, where it is in force, and what it waits for."""
    page = {
        "section": "pat-methods",
        "rows": queries.method_rows(),
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": why_not(request, Permission.DEVELOP_MODEL),
    }
    return render(request, "pat/methods.html", page)


@require_GET
def method(request: HttpRequest, code: str) -> HttpResponse:
    """One method: purpose, criteria, scope, models, and its whole history."""
    found = get_object_or_404(Method.objects.select_related("product", "made_by"), code=code)
    models = queries.models_of(found)
    deployments = queries.deployments_of(found)
    page = {
        "section": "pat-methods",
        "method": found,
        "alive": found.state != Method.State.RETIRED,
        "models": models,
        "deployments": deployments,
        "changes": found.changes.select_related("old", "new", "requested_by"),
        "data_sets": queries.data_sets_of(found),
        "searches": found.searches.select_related("data_set", "asked_by"),
        "criteria": [
            (FIGURES[one["figure"]], limit_words(one), unit_of(one["figure"], found.unit)) for one in found.criteria
        ],
        "scope": _scope_told(found.scope),
        "next": next_step(found, models, deployments),
        "history": queries.history(found),
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "approves": request.user.may(Permission.APPROVE_MODEL),
        "why_not": why_not(request, Permission.DEVELOP_MODEL),
        "can_change": len(models) > 1,
    }
    return render(request, "pat/method.html", page)


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The dialog for a new method."""
    _needs(request, Permission.DEVELOP_MODEL)
    products = [("", _("none")), *((str(one.id), one.title) for one in Product.objects.order_by("code"))]
    fields = [
        Field("code", _("Code"), hint=_("(letters, digits, hyphens)")),
        Field("name_ko", _("Name in Korean")),
        Field("name_en", _("Name in English")),
        Field("technique", _("Technique"), "select", "nir", Method.Technique.choices),
        Field("product", _("Product"), "select", "", products, required=False),
        Field("quantity", _("Quantity"), hint=_("(such as assay)")),
        Field("unit", _("Unit")),
        Field("nominal", _("Label claim"), "number", required=False, hint=_("(empty: none)")),
        Field("purpose", _("Intended purpose"), "textarea"),
        REASON,
    ]

    def act(typed: dict[str, str]) -> str:
        told = {
            name: typed[name].strip()
            for name in ("code", "name_ko", "name_en", "technique", "quantity", "unit", "purpose")
        }
        if (
            not told["code"].replace("-", "").replace("_", "").isalnum()
            or not told["code"].isascii()
            or told["code"] == "new"
        ):
            raise MethodInvalid(detail=_("the code takes letters, digits and hyphens"))
        made = services.create_method(
            request.user,
            **told,
            nominal=number(typed["nominal"], _("Label claim")),
            product_id=_uuid(typed["product"]),
            reason=typed["reason"],
        )
        return reverse("pat:method", args=[made.code])

    return dialog(request, _("New method"), _("Record the method"), fields, act, name="method")


@require_http_methods(["GET", "POST"])
def criteria(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that sets acceptance criteria."""
    found = _changed(request, code)
    fields = [
        Field("criteria", _("Acceptance criteria"), "criteria", to_lines(found.criteria), figure_choices()),
        REASON,
    ]

    def act(typed: dict[str, str]) -> None:
        services.set_criteria(request.user, found, from_lines(typed["criteria"]), typed["reason"])

    note = _("A validation asks for these. They are fixed before anybody looks at the test set.")
    return dialog(request, _("Acceptance criteria"), _("Set the criteria"), fields, act, note=note, name="criteria")


@require_http_methods(["GET", "POST"])
def scope(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that says what may change without a variation."""
    found = get_object_or_404(Method, code=code)
    _needs(request, Permission.APPROVE_MODEL if found.state == Method.State.APPROVED else Permission.DEVELOP_MODEL)
    told = found.scope

    def shown(name: str) -> str:
        value = told.get(name)
        if value is None:
            return ""
        return (
            ", ".join(f"{low:g}-{high:g}" for low, high in value) if name == "regions" else ", ".join(map(str, value))
        )

    fields = [
        Field("steps", _("Preprocessing steps"), value=shown("steps"), required=False, hint="snv, savgol"),
        Field(
            "components",
            _("Latent variables, least and greatest"),
            value=shown("components"),
            required=False,
            hint="3, 8",
        ),
        Field("regions", _("Ranges of the axis"), value=shown("regions"), required=False, hint="600-1638"),
        Field("instruments", _("Instruments"), value=shown("instruments"), required=False, hint="nir-1, nir-2"),
        Field("samples", _("Samples may be added to the calibration"), "check", "yes" if told.get("samples") else ""),
        REASON,
    ]

    def act(typed: dict[str, str]) -> None:
        typed["samples"] = request.POST.get("samples", "")
        services.set_scope(request.user, found, _scope(typed), typed["reason"])

    note = _("What is left empty may not change without a variation.")
    return dialog(request, _("Approved scope of changes"), _("Set the scope"), fields, act, note=note, name="scope")


@require_http_methods(["GET", "POST"])
def retire(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that ends a method."""
    _needs(request, Permission.APPROVE_MODEL)
    found = get_object_or_404(Method, code=code)

    def act(typed: dict[str, str]) -> None:
        services.retire_method(request.user, found, typed["reason"])

    note = _("Nothing is made for the method any more. Its records stay.")
    return dialog(request, _("Retire the method"), _("Retire the method"), [REASON], act, note=note, name="retire")


@require_http_methods(["GET", "POST"])
def request_change(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that asks for one model to follow another."""
    found = _changed(request, code)
    models = queries.models_of(found)
    approved = [(str(one.id), f"{one} · {one.get_status_display()}") for one in models if one.approval_id]
    fields = [
        Field("old", _("Old model"), "select", approved[0][0] if approved else "", approved),
        Field(
            "new",
            _("New model"),
            "select",
            "",
            [(str(one.id), f"{one} · {one.get_status_display()}") for one in models],
        ),
        Field("description", _("Description"), "textarea"),
        REASON,
    ]

    def act(typed: dict[str, str]) -> None:
        old, newer = (_model(found, typed[name]) for name in ("old", "new"))
        services.request_change(request.user, old, newer, typed["description"], typed["reason"])

    note = _("What differs is found out, and whether it is inside the approved scope or a variation.")
    return dialog(request, _("Ask for a change of the model"), _("Ask for it"), fields, act, note=note, name="change")


@require_http_methods(["GET", "POST"])
def approve_change(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The signature dialog under which a new model may follow an old one."""
    change = get_object_or_404(ModelChange.objects.select_related("old", "new", "method", "requested_by"), id=change_id)

    def signed(given: Given) -> None:
        services.approve_change(
            request.user, given.password, change_id, given.reason, given.opened.seen, given.address, given.opened
        )

    act = Act(
        key="approve-change",
        record_type="pat.ModelChange",
        record_id=change.id,
        seen=content_hash(services.change_content(change)),
        permission=Permission.APPROVE_MODEL,
        meaning=Meaning.APPROVAL,
        title=_("Approve the change of a model"),
        record=f"{change.old} → {change.new}",
        button=_("Sign"),
        url=request.path,
        facts=[
            (_("Kind"), change.get_kind_display()),
            (_("Description"), change.description),
            (_("Requested by"), account_name(change, "requested_by")),
        ],
        changes=[f"{one['what']}: {one['old']} → {one['new']}" for one in change.differences],
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def refuse_change(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The dialog that leaves the old model in force."""
    get_object_or_404(ModelChange, id=change_id)

    def act(typed: dict[str, str]) -> None:
        services.refuse_change(request.user, change_id, typed["reason"])

    return dialog(request, _("Refuse the change"), _("Refuse the change"), [REASON], act, name="refuse")


def _needs(request: HttpRequest, permission: str) -> None:
    if not request.user.may(permission):
        raise request.user.why_not(permission)


def _changed(request: HttpRequest, code: str) -> Method:
    _needs(request, Permission.DEVELOP_MODEL)
    return get_object_or_404(Method, code=code)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as error:
        raise MethodInvalid(detail=_("the product is none of the list")) from error


def _model(found: Method, text: str) -> CalibrationModel:
    model = next((one for one in queries.models_of(found) if str(one.id) == text), None)
    if model is None:
        raise MethodInvalid(detail=_("the model is none of the list"))
    return model


def _scope(typed: dict[str, str]) -> dict[str, Any]:
    def parts(name: str) -> list[str]:
        return [part.strip() for part in typed[name].split(",") if part.strip()]

    def understood(name: str, read: Callable[[str], Any]) -> list[Any]:
        try:
            return [read(part) for part in parts(name)]
        except ValueError as error:
            raise MethodInvalid(detail=_("the scope's %(part)s cannot be used") % {"part": name}) from error

    def pair(text: str) -> list[float]:
        low, high = text.split("-")
        return [float(low), float(high)]

    made: dict[str, Any] = {
        "steps": parts("steps"),
        "instruments": parts("instruments"),
        "components": understood("components", int),
        "regions": understood("regions", pair),
    }
    made = {name: value for name, value in made.items() if value}
    return made | ({"samples": True} if typed["samples"] == "yes" else {})


def _scope_told(told: dict[str, Any]) -> list[tuple[str, str]]:
    names = {
        "steps": _("Preprocessing steps"),
        "components": _("Latent variables"),
        "regions": _("Ranges of the axis"),
        "instruments": _("Instruments"),
        "samples": _("Samples may be added to the calibration"),
    }
    found = []
    for name, words in names.items():
        if name not in told:
            continue
        value = told[name]
        if isinstance(value, bool):
            text = _("yes") if value else _("no")
        elif name == "components":
            text = "–".join(map(str, value))
        elif name == "regions":
            text = ", ".join(f"{low:g}–{high:g}" for low, high in value)
        else:
            text = ", ".join(map(str, value)) or json.dumps(value)
        found.append((words, text))
    return found
