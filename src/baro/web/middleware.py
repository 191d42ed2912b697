"""What holds for every page: who may open it, what the browser may load, and how errors are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from baro.apps.ledger.errors import BaroError
from baro.apps.people.errors import SignInNeeded
from baro.apps.people.roles import Permission
from baro.web.errors import BadRequest, MethodNotAllowed, answer, is_api

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        # Plotly sets styles on the elements it draws
        "style-src 'self' 'unsafe-inline'",
        # its own export of a chart as a picture
        "img-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


class HeadersMiddleware:
    """What every response tells the browser, also one that never came as far as a page. Stands outermost."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if not response.has_header("Cache-Control"):
            # records must not stay in the browser of a shared tablet
            add_never_cache_headers(response)
        return response


class WebMiddleware:
    """Sign-in first, everywhere, unless a view says `login_not_required`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.refused is not None:
            return answer(request, request.refused)
        if request.method == "TRACE":
            # it would send a request back as it came, with its cookies
            return answer(request, MethodNotAllowed())
        if _holds_nul(request):
            return answer(request, BadRequest())
        response = self.get_response(request)
        if response.status_code == 405 and is_api(request):
            allowed = response.headers.get("Allow", "")
            response = answer(request, MethodNotAllowed())
            response.headers["Allow"] = allowed
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if not getattr(view, "login_required", True):
            return None
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        # whoever has no role yet can still finish their account
        if not request.user.may(Permission.VIEW) and not getattr(view, "open_while_unfinished", False):
            return answer(request, request.user.why_not(Permission.VIEW))
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, RawPostDataException):
            # a form where JSON is meant
            return answer(request, BadRequest())
        return answer(request, exception) if isinstance(exception, BaroError) else None


def _holds_nul(request: HttpRequest) -> bool:
    """Does the address or the form hold the character that no text of the database can hold?"""
    # a lot number is quoted twice in a path
    fields = [*request.GET.lists(), *request.POST.lists()]
    return "\0" in unquote(request.path) or any("\0" in text for name, values in fields for text in (name, *values))


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page; for a part of a page whose session has ended, a word to the page as a whole."""
    if is_api(request):
        return answer(request, SignInNeeded())
    there = reverse("people:sign-in")
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if any(kind in request.headers.get("Accept", "") for kind in ("application/json", "text/event-stream")):
        return HttpResponse(status=401)
    return redirect_to_login(request.get_full_path(), there)
