"""Sign-in, sign-out and the choice of language."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from baro.apps.ledger.errors import Locked
from baro.apps.people import services
from baro.apps.people.middleware import remember


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. An unknown name and a wrong password get the same words."""
    there = _safe(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "GET":
        if request.user.is_authenticated:
            return redirect(there)
        return render(request, "people/sign_in.html", {"next": there})
    name = request.POST.get("username", "").strip()
    page = {"next": there, "username": name}
    try:
        user = services.sign_in(name, request.POST.get("password", ""), address(request))
    except Locked as locked:
        return render(request, "people/sign_in.html", page | {"error": locked}, status=locked.status)
    if user is None:
        page["problem"] = _("The user name or the password is not right.")
        return render(request, "people/sign_in.html", page, status=403)
    remember(request, user)
    return redirect(there)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    services.sign_out(request.user, address(request))
    language = request.session.get("language")
    request.session.flush()
    if language:
        request.session["language"] = language
    return redirect("people:sign-in")


@login_not_required
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Change the language and come back to the same place."""
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        request.session["language"] = chosen
        if request.user.is_authenticated:
            services.set_language(request.user, chosen)
    return redirect(_safe(request, request.POST.get("next", "")))


def address(request: HttpRequest) -> str | None:
    """Where the request came from."""
    return request.META.get("REMOTE_ADDR") or None


def _safe(request: HttpRequest, there: str) -> str:
    """`there` if it is a page of ours, else the first page."""
    ours = url_has_allowed_host_and_scheme(there, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return there if ours and there.startswith("/") else "/"
