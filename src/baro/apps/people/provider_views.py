"""To an identity provider and back."""

from __future__ import annotations

import json

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from baro.apps.people import oidc, providers
from baro.apps.people.errors import ProviderRefused
from baro.apps.people.middleware import address
from baro.apps.people.sealing import sealed, unsealed
from baro.apps.people.views import enter, safe

COOKIE = "baro_provider"
FLOW_S = 600
PATH = "/sign-in/"


@login_not_required
@require_GET
def begin(request: HttpRequest, company: str, provider: str) -> HttpResponse:
    """Off to the provider."""
    chosen = providers.provider_of(company, provider)
    there, flow = providers.begin_sign_in(chosen, _back(request))
    kept = {"company": company, "provider": provider, "next": safe(request, request.GET.get("next", ""))}
    response = HttpResponseRedirect(there)
    # the session's cookie does not come along from another site (SameSite=Strict); this one does, and holds
    # nothing that opens anything without the provider's answer
    response.set_cookie(
        COOKIE,
        sealed(json.dumps(kept | flow.as_dict())),
        max_age=FLOW_S,
        path=PATH,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    return response


@login_not_required
@require_GET
def back(request: HttpRequest) -> HttpResponse:
    """Back from the provider, in the same browser, within ten minutes, once."""
    try:
        kept = json.loads(unsealed(request.COOKIES.get(COOKIE, ""), FLOW_S))
    except (InvalidToken, ValueError):
        raise ProviderRefused from None
    chosen = providers.provider_of(kept["company"], kept["provider"])
    flow = oidc.Flow(kept["state"], kept["nonce"], kept["verifier"])
    answered = request.build_absolute_uri()
    user = providers.sign_in_by_provider(chosen, flow, _back(request), answered, address(request))
    # a page of ours in between: a redirect would still count as coming from the provider's site
    response = render(request, "people/welcome.html", {"there": enter(request, user, kept["next"])})
    response.delete_cookie(COOKIE, path=PATH, samesite="Lax")
    return response


def _back(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("people:provider-back"))
