"""The REST interface: one document (OpenAPI), a router a room, the same services and errors as the pages."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import ValidationError

import baro
from baro.apps.ledger.errors import BaroError

api = NinjaAPI(
    title="Baro",
    version=baro.__version__,
    description="Records of one company; every request is made by a person, or by a token of a person.",
    urls_namespace="api",
    docs_url=None,  # its page would load a program from outside
)


@api.exception_handler(BaroError)
def refused(request: HttpRequest, error: BaroError) -> HttpResponse:
    """A typed error as JSON, in the language of the person."""
    return api.create_response(
        request,
        {"code": error.code, "text": error.text, "kept": str(error.kept), "advice": error.advice_text},
        status=error.status,
    )


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What of a request does not fit the document, field by field."""
    fields = [{"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]} for e in error.errors]
    return api.create_response(request, {"code": "WEB-0422", "fields": fields}, status=422)
