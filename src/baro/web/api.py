"""The REST interface: one document (OpenAPI), a router a room, the same services and errors as the pages."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

import baro
from baro.apps.ledger.api import router as ledger
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.log.api import router as log
from baro.apps.people.api import Bearer, Session
from baro.apps.people.api import router as people
from baro.apps.release.api import router as release
from baro.web.errors import BadRequest, PageNotFound, answer

api = NinjaAPI(
    title="Baro",
    version=baro.__version__,
    description="Records of one company; every request is made by a person, or by a token of a person.",
    urls_namespace="api",
    docs_url=None,  # its page would load a program from outside
    auth=[Bearer(), Session()],
)
api.add_router("/log", log)
api.add_router("", people)
api.add_router("", release)
api.add_router("/audit", ledger)


@api.exception_handler(BaroError)
def refused(request: HttpRequest, error: BaroError) -> HttpResponse:
    """A typed error as JSON, in the language of the person."""
    return answer(request, error)


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return answer(request, PageNotFound())


@api.exception_handler(HttpError)
def not_understood(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What the framework refuses by itself, such as a body that is no JSON."""
    return answer(request, BadRequest())


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What of a request does not fit the document, field by field."""
    fields = [{"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]} for e in error.errors]
    return api.create_response(request, {"code": "WEB-0422", "fields": fields}, status=422)
