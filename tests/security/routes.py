"""Every address of the web server, found in the resolver, with hostile or foreign values put into its places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver

from baro.web.api import api

PLACE = re.compile(r"<(?:(\w+):)?(\w+)>")
ENDS_SESSION = {"sign-out"}
"""Routes that end the session of whoever asks."""


@dataclass(frozen=True, slots=True)
class Route:
    """`template` is the address with its places, `places` their converters by name."""

    name: str
    template: str
    places: Mapping[str, str]

    def address(self, values: Mapping[str, object]) -> str:
        return PLACE.sub(lambda place: quote(str(values[place[2]]), safe=""), self.template)


@cache
def routes() -> tuple[Route, ...]:
    """Every route, of pages and of the REST interface."""
    return tuple(_found(get_resolver().url_patterns, "/"))


def _found(patterns: Sequence[Any], prefix: str) -> Iterator[Route]:
    for entry in patterns:
        template = prefix + str(entry.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(entry, URLPattern):
            places = {name: converter or "str" for converter, name in PLACE.findall(template)}
            yield Route(entry.name or "", template, places)
        else:
            yield from _found(entry.url_patterns, template)


@cache
def openapi() -> dict[str, Any]:
    """The document of the REST interface, as it is served."""
    return json.loads(json.dumps(api.get_openapi_schema(path_prefix="/api/v1/"), default=str))


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and operation of everything in the document."""
    for path, item in openapi()["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def body_of(response: HttpResponse) -> bytes:
    """What came back; of a stream, nothing: its end may never come."""
    return b"" if getattr(response, "streaming", False) else response.content


def ask(client: Client, method: str, address: str, data: Mapping[str, object] | None = None) -> HttpResponse:
    if method == "POST" and address.startswith("/api/"):
        return client.post(address, data=json.dumps(data or {}), content_type="application/json")
    return client.generic("GET", address) if method == "GET" else client.post(address, data or {})
