"""Identity providers and who is linked with them: asked for by one person, approved by another, ended by either."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import Act, Given, form_dialog, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.people import providers as services
from baro.apps.people.models import Identity, IdentityProvider
from baro.apps.people.roles import Permission

FIELDS = ("code", "name_ko", "name_en", "issuer", "client_id", "claim", "reason")


def _need(request: HttpRequest, permission: str) -> None:
    if not request.user.may(permission):
        raise request.user.why_not(permission)


@require_GET
def providers(request: HttpRequest) -> HttpResponse:
    """Every provider there is, was or may be, and the accounts that they open."""
    _need(request, Permission.REVIEW_ACCESS)
    found = IdentityProvider.objects.select_related("requested_by", "approved_by", "signature")
    page = {
        "section": "people",
        "providers": found.order_by("-ended_at", "-requested_at"),
        "links": Identity.objects.select_related("user", "provider").order_by("-ended_at", "-created_at"),
        "manages": request.user.may(Permission.MANAGE_PEOPLE),
        "approves": request.user.may(Permission.APPROVE_RIGHTS),
    }
    return render(request, "people/providers.html", page)


@sensitive_post_parameters("secret")
@sensitive_variables("secret")
@require_http_methods(["GET", "POST"])
def new_provider(request: HttpRequest) -> HttpResponse:
    """The dialog that asks for a provider to be trusted. The client's secret does not come back with an error."""
    _need(request, Permission.MANAGE_PEOPLE)
    form = {name: request.POST.get(name, "").strip() for name in FIELDS}
    page: dict[str, Any] = {"form": form, "claims": IdentityProvider.Claim.choices}

    def act() -> None:
        services.request_provider(request.user, **form, secret=request.POST.get("secret", ""))

    return form_dialog(request, "people/new_provider", page, act)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def approve(request: HttpRequest, provider_id: UUID) -> HttpResponse:
    """The signature that trusts a provider from now on."""
    wanted = get_object_or_404(IdentityProvider.objects.select_related("requested_by"), id=provider_id)

    def signed(given: Given) -> None:
        services.approve_provider(
            request.user,
            given.password,
            provider_id,
            reason=given.reason,
            seen_hash=given.opened.seen,
            address=given.address,
            opened=given.opened,
        )

    asked_by = wanted.requested_by.name if wanted.requested_by else "–"
    act = Act(
        key="approve",
        record_type="people.IdentityProvider",
        record_id=wanted.id,
        seen=content_hash(services.provider_content(wanted)),
        permission=Permission.APPROVE_RIGHTS,
        meaning=Meaning.APPROVAL,
        title=_("Trust the identity provider"),
        record=f"{wanted.title} ({wanted.code})",
        button=_("Sign: approve"),
        url=reverse("people:approve-provider", args=[wanted.id]),
        facts=[
            (_("Issuer"), wanted.issuer),
            (_("Client"), wanted.client_id),
            (_("Accounts are found by"), wanted.get_claim_display()),
            (_("Requested by"), asked_by),
        ],
        note=_("From now on this provider opens accounts of the company. A signature still asks for the password."),
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, what: str, key: UUID) -> HttpResponse:
    """The dialog that ends a provider, a request for one, or a link."""
    _need(request, Permission.MANAGE_PEOPLE)
    kinds = {"provider": (IdentityProvider, services.end_provider), "link": (Identity, services.end_link)}
    if what not in kinds:
        raise Http404
    model, act = kinds[what]
    record = get_object_or_404(model, id=key)
    name = record.title if what == "provider" else f"{record.user.name}: {record.provider.title}, {record.subject}"
    page = {"what": what, "record": record, "name": name, "reason": request.POST.get("reason", "")}
    return form_dialog(request, "people/end_trust", page, partial(act, request.user, key, page["reason"]))
