"""The REST interface: one document (OpenAPI), a router a room, the same services and errors as the pages."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

import baro
from baro.apps.ledger.api import router as ledger
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.log.api import router as log
from baro.apps.pat.api import router as pat
from baro.apps.pat.upkeep_api import router as upkeep
from baro.apps.people.api import Bearer, Session
from baro.apps.people.api import router as people
from baro.apps.people.rights.api import router as rights
from baro.apps.plant.api import router as systems
from baro.apps.plant.context.api import router as context
from baro.apps.plant.trends.api import router as trends
from baro.apps.plant.trends.api_files import router as trend_files
from baro.apps.release.api import router as release
from baro.web.errors import BadRequest, PageNotFound, answer

REFUSALS = {
    400: "The request could not be understood.",
    401: "Nobody has signed in, or the token is not valid.",
    403: "This is not open to the person, or not to the token.",
    404: "There is no such record in the company.",
    409: "The record stands in the way.",
    422: "A field of the request does not fit this document.",
    429: "Too much at a time.",
}
"""Answers that any operation may give: they are told of each in the document."""


class Api(NinjaAPI):
    """Adds to the document what every operation may answer."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**options)
        problem = {"application/json": {"schema": {"type": "object", "required": ["code"]}}}
        for item in schema["paths"].values():
            for operation in item.values():
                for status, words in REFUSALS.items():
                    operation["responses"].setdefault(status, {"description": words, "content": problem})
        return schema


api = Api(
    title="Baro",
    version=baro.__version__,
    description="Records of one company; every request is made by a person, or by a token of a person.",
    urls_namespace="api",
    docs_url=None,  # its page would load a program from outside
    auth=[Bearer(), Session()],
)
api.add_router("/log", log)
api.add_router("", people)
api.add_router("", rights)
api.add_router("/systems", systems)
api.add_router("/trends", trends)
api.add_router("/trends", trend_files)
api.add_router("/context", context)
api.add_router("/pat", pat)
api.add_router("/pat", upkeep)
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
@api.exception_handler(RawPostDataException)
def not_understood(request: HttpRequest, error: Exception) -> HttpResponse:
    """What the framework refuses by itself: a body that is no JSON, or a form where JSON is meant."""
    return answer(request, BadRequest())


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """What of a request does not fit the document, field by field."""
    fields = [{"field": ".".join(str(part) for part in e["loc"]), "problem": e["msg"]} for e in error.errors]
    return api.create_response(request, {"code": "WEB-0422", "fields": fields}, status=422)
