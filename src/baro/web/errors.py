"""Errors as pages, parts of pages or JSON: what happened, what was kept, what to do, and the number."""

from __future__ import annotations

import logging

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError
from baro.apps.people.middleware import API

log = logging.getLogger("baro.security")

REFUSALS = frozenset({401, 403, 429})
"""Answers that say that somebody tried what is not open to them; each leaves a line in the log."""


class PageNotFound(BaroError):
    code = "WEB-0404"
    status = 404
    message = _("There is no such page, or your company has no such record.")
    advice = _("Check the address, or find the record in the list of lots.")


class PageForbidden(BaroError):
    code = "WEB-0403"
    status = 403
    message = _("This page is not open to you.")
    advice = _("Ask the head of quality or your administrator.")


class FormExpired(BaroError):
    code = "WEB-0419"
    status = 403
    message = _("The form was open for too long, or cookies are switched off.")
    advice = _("Open the page again and send the form once more.")


class MethodNotAllowed(BaroError):
    code = "WEB-0405"
    status = 405
    message = _("This address does not do that.")
    advice = _("Look in the description of the interface which methods the address has.")


class BadRequest(BaroError):
    code = "WEB-0400"
    status = 400
    message = _("The request could not be understood.")
    advice = _("Go back to the page, load it again and try once more.")


class TooManyStreams(BaroError):
    code = "WEB-0429"
    status = 429
    message = _("%(most)s live pages are open in this session already, and no more can be live at a time.")
    advice = _("Close a live page of a lot in another tab, then load this one again.")


class ServerFault(BaroError):
    code = "WEB-0500"
    status = 500
    message = _("Something went wrong inside Baro.")
    kept = _("The change was undone as a whole; nothing is half done.")
    advice = _("Try again. If it happens again, give your administrator this number and the time.")


def is_api(request: HttpRequest) -> bool:
    """Is the request made to the REST interface, which answers in JSON whatever is asked for?"""
    return request.path.startswith(API)


def body(error: BaroError) -> dict[str, str]:
    """`error` as JSON, in the language of the person."""
    return {"code": error.code, "text": error.text, "kept": str(error.kept), "advice": error.advice_text}


def answer(request: HttpRequest, error: BaroError) -> HttpResponse:
    """The response for `error`, in the form the request can show."""
    if error.status in REFUSALS:
        who = getattr(getattr(request, "user", None), "username", "") or "nobody"
        where = request.META.get("REMOTE_ADDR", "")
        log.warning("%s %s refused to %s from %s: %s", request.method, request.path, who, where, error.code)
    if is_api(request) or "application/json" in request.headers.get("Accept", ""):
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return JsonResponse(body(error), status=error.status, headers=headers)
    part = "HX-Request" in request.headers
    template = "web/error_part.html" if part else "web/error.html"
    return render(request, template, {"error": error}, status=error.status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, BadRequest())


def forbidden(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    return answer(request, PageForbidden())


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    return answer(request, FormExpired())


def not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    return answer(request, PageNotFound())


def fault(request: HttpRequest) -> HttpResponse:
    return answer(request, ServerFault())
