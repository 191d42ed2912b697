"""Models in use: all of them, and one with what it predicts at this moment; approved by signature, ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.pat import services, using
from baro.apps.pat.models import Deployment
from baro.apps.pat.next_steps import next_of_model
from baro.apps.pat.pages.asking import REASON, dialog, why_not
from baro.apps.people.middleware import background
from baro.apps.people.roles import Permission
from baro.apps.quality.models import ControlStrategy

REFRESH_S = 2


@require_GET
def deployments(request: HttpRequest) -> HttpResponse:
    """Which model version is in force on which analyser, since when and by whose signature."""
    page = {
        "section": "pat-deployments",
        "rows": [(row, *_may(request, row.deployment)) for row in using.deployment_rows()],
    }
    return render(request, "pat/deployments.html", page)


@require_GET
def deployment(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """One model on one instrument: who signed for it, and what it says of the newest spectra."""
    found = _found(deployment_id)
    approves, ends = _may(request, found)
    page = {
        "section": "pat-deployments",
        "deployment": found,
        "model": found.model,
        "approves": approves,
        "ends": ends,
        "why_not": _why_not(request, found),
        "strategies": _strategies(found),
        "next": next_of_model(found.model, [found]) if found.state != Deployment.State.ENDED else None,
        **_now(found),
    }
    return render(request, "pat/deployment.html", page)


@background
@require_GET
def now(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The part of the page that changes."""
    return render(request, "pat/deployment_now.html", _now(_found(deployment_id)))


@require_http_methods(["GET", "POST"])
def approve(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The signature dialog that puts a model in force on an instrument."""
    found = _found(deployment_id)

    def signed(given: Given) -> None:
        services.approve_deployment(
            request.user, given.password, found.id, given.reason, given.opened.seen, given.address, given.opened
        )

    before = Deployment.objects.filter(
        instrument=found.instrument, role=Deployment.Role.CHAMPION, state=Deployment.State.ACTIVE
    ).filter(model__method=found.model.method, model__code=found.model.code)
    ended = [str(one.model) for one in before.select_related("model").defer("model__arrays", "model__description")]
    act = Act(
        key="approve-deployment",
        record_type="pat.Deployment",
        record_id=found.id,
        seen=content_hash(services.deployment_content(found)),
        permission=Permission.APPROVE_MODEL,
        meaning=Meaning.APPROVAL,
        title=_("Put the model in force"),
        record=f"{found.model} · {found.instrument.code}",
        button=_("Put in force"),
        url=request.path,
        facts=[
            (_("Model"), f"{found.model.title} · {found.model} · {found.model.digest[:12]}"),
            (_("Instrument"), f"{found.instrument.code} · {found.instrument.title}"),
            (_("Requested by"), found.requested_by.name if found.requested_by else _("the program")),
            (_("Ends in the same moment"), ", ".join(ended) or _("none")),
        ],
        note=_("From this moment the model predicts every spectrum that the instrument measures."),
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The dialog that takes a model off an instrument, or a request back."""
    found = _found(deployment_id)

    def act(typed: dict[str, str]) -> None:
        services.end_deployment(request.user, found.id, typed["reason"])

    if found.state == Deployment.State.REQUESTED:
        return dialog(request, _("Take the request back"), _("Take back"), [REASON], act, name="end")
    note = _("The model predicts nothing on this instrument any more. What it predicted stays.")
    return dialog(request, _("End the use"), _("End the use"), [REASON], act, note=note, name="end")


def _now(found: Deployment) -> dict[str, Any]:
    live = using.live_of(found)
    return {
        "deployment": found,
        "model": found.model,
        "running": found.state == Deployment.State.ACTIVE,
        "refresh": REFRESH_S,
        "live": live,
        "latest": using.latest_of(found),
        "unit": live["unit"],
        "outside": sum(not usable for usable in live["usable"]),
    }


def _strategies(found: Deployment) -> QuerySet[ControlStrategy]:
    """The control strategies in force by which the model's values decide on releases."""
    named = ControlStrategy.objects.filter(
        model_digest=found.model.digest, status=ControlStrategy.Status.APPROVED
    ).select_related("product")
    return named if found.role == Deployment.Role.CHAMPION else named.none()


def _may(request: HttpRequest, found: Deployment) -> tuple[bool, bool]:
    """May this person put it in force, and end it?"""
    waits = found.state == Deployment.State.REQUESTED
    own = found.requested_by_id == request.user.id
    approves, develops = (request.user.may(one) for one in (Permission.APPROVE_MODEL, Permission.DEVELOP_MODEL))
    in_force = found.role == Deployment.Role.CHAMPION and found.state == Deployment.State.ACTIVE
    ends = found.state != Deployment.State.ENDED and (approves or (develops and not in_force))
    return waits and approves and not own, ends


def _why_not(request: HttpRequest, found: Deployment) -> str:
    """Why somebody cannot put a model that waits in force; empty when nothing waits or they may."""
    if found.state != Deployment.State.REQUESTED:
        return ""
    if not request.user.may(Permission.APPROVE_MODEL):
        return why_not(request, Permission.APPROVE_MODEL)
    return _("Who asked for it does not approve it.") if found.requested_by_id == request.user.id else ""


def _found(deployment_id: UUID) -> Deployment:
    return get_object_or_404(using.deployments(), id=deployment_id)
