"""The map editor of the wizard: rows with live values, raw words under every meaning, CSV files."""

from __future__ import annotations

import asyncio
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from baro.apps.ledger.errors import BaroError
from baro.apps.people.middleware import background
from baro.apps.plant.connections import looking, maps
from baro.apps.plant.connections.asking import Asked, Picked
from baro.apps.plant.connections.problems import HEADINGS
from baro.apps.plant.connections.services import managed
from baro.apps.plant.connections.words import refusal
from baro.apps.plant.errors import ConnectionInvalid, MapInvalid
from baro.edge.driver import look_of, refusal_json
from baro.edge.drivers.modbus.offer import meanings, words_at
from baro.edge.drivers.modbus.registers import BITS, Register
from baro.edge.errors import DriverUnknownError, EdgeError
from baro.edge.maps import BYTES_MOST, Entries, to_csv


@require_GET
def fields(request: HttpRequest) -> HttpResponse:
    """The fields of the first form that an address of this scheme needs."""
    managed(request.user)
    asked = Asked.of(request.GET)
    kind = kind_of(asked)
    if kind == request.GET.get("shown"):  # what is typed in them meanwhile stays
        return HttpResponse(status=204)
    return render(request, "plant/wizard_fields.html", {"asked": asked, "kind": kind})


def kind_of(asked: Asked) -> str:
    """The driver of the address as far as it is typed; that of OPC UA before there is one."""
    try:
        return asked.driver
    except DriverUnknownError:
        return "opcua"


def table(driver: str, rows: list[maps.FormRow]) -> dict[str, Any]:
    """What the template of the rows needs."""
    return {
        "driver": driver,
        "columns": maps.columns_of(driver),
        "headings": HEADINGS,
        "choices": {name: choices for (of, name), choices in maps.CHOICES.items() if of == driver},
        "types": maps.TYPES[driver],
        "rows": rows[: maps.ROWS_SHOWN],
    }


def picked(form: Any, asked: Asked) -> list[Picked]:
    """What is chosen: nodes of a tree, or the rows of a map. Raises MapInvalid, an EdgeError."""
    if not looking.has_map(asked.driver):
        return Picked.of(form)
    rows = maps.form_rows(form, asked.driver)
    good = maps.checked(looking.entries(asked.driver, asked.settings, maps.numbered(rows)))
    return maps.picked(good, form.get("source", "").strip() or asked.code)


@background
@require_POST
def values(request: HttpRequest) -> HttpResponse:
    """The values of the rows as they are now, and what is wrong with them."""
    managed(request.user)
    asked = Asked.of(request.POST)
    page: dict[str, Any] = {}
    driver = _driver(asked)
    try:
        rows = maps.form_rows(request.POST, driver)
        found = looking.entries(driver, asked.settings, maps.numbered(rows))
    except EdgeError as error:
        return render(request, "plant/map_values.html", {"refusal": refusal(refusal_json(error))})
    got = []
    try:
        got = looking.peek(driver, asked.settings, found.good) if found.good else []
    except EdgeError as error:
        page["refusal"] = refusal(refusal_json(error))
    page |= {"seen": maps.seen(rows, found, got, driver), "summary": maps.summary(found) if rows else ""}
    return render(request, "plant/map_values.html", page)


@require_POST
def add_row(request: HttpRequest) -> HttpResponse:
    """One more row, of the same kind as the last."""
    managed(request.user)
    driver = _driver(Asked.of(request.POST))
    rows = maps.form_rows(request.POST, driver)
    return render(request, "plant/map_rows.html", table(driver, [maps.next_row(rows, driver)]))


@require_POST
def load(request: HttpRequest) -> HttpResponse:
    """The rows of a CSV file in the place of those that are there."""
    managed(request.user)
    driver = _driver(Asked.of(request.POST))
    upload = request.FILES.get("file")
    try:
        rows = maps.loaded(upload.read(BYTES_MOST + 1) if upload is not None else b"", driver)
    except MapInvalid as error:
        # the rows that are there stay
        answer = render(request, "web/error_part.html", {"error": error}, status=error.status)
        answer["HX-Retarget"], answer["HX-Reswap"] = "#map-told", "innerHTML"
        return answer
    return render(request, "plant/map_rows.html", table(driver, rows))


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """The rows as a CSV file, right or not: what was typed is not lost."""
    managed(request.user)
    asked = Asked.of(request.POST)
    driver = _driver(asked)
    rows = maps.form_rows(request.POST, driver)
    disposition = {"Content-Disposition": f'attachment; filename="{asked.code}-map.csv"'}
    body = to_csv([one.cells for one in rows], maps.columns_of(driver))
    return HttpResponse(body, content_type="text/csv; charset=utf-8", headers=disposition)


@require_POST
def words(request: HttpRequest, key: str) -> HttpResponse:
    """The raw words at the place of a row, and their value under every type and order."""
    managed(request.user)
    asked = Asked.of(request.POST)
    page: dict[str, Any] = {"key": key}
    try:
        if asked.driver != "modbus":
            raise DriverUnknownError(asked.url)
        wanted = [one for one in maps.form_rows(request.POST, "modbus") if one.key == key]
        # only the place counts here: the rest of the row may still be wrong
        cells = {name: wanted[0].cells[name] for name in ("device", "table", "address")} if wanted else {}
        found: Entries = looking.entries(
            "modbus", asked.settings, maps.numbered([maps.FormRow(key, cells | {"tag": "x"})])
        )
        entry = maps.checked(found)[0]
        register = entry.what
        assert isinstance(register, Register)
        raw = asyncio.run(words_at(look_of("modbus", asked.settings), register))
    except BaroError as error:
        return render(request, "plant/map_words.html", page | {"error": error}, status=error.status)
    except EdgeError as error:
        return render(request, "plant/map_words.html", page | {"refusal": refusal(refusal_json(error))})
    bits = register.table in BITS
    page |= {"tag": wanted[0].cells["tag"], "shown": entry.shown, "words": raw, "bits": bits}
    page["hexes"] = [f"{one:04X}" for one in raw]
    if not bits:
        by_type: dict[str, dict[str, Any]] = {}
        for one in meanings(raw):
            by_type.setdefault(one.type, {})[one.order] = one
        page["rows"] = [(name, [of.get(order) for order in maps.ORDERS]) for name, of in by_type.items()]
        page["orders"] = tuple(maps.ORDERS)
    return render(request, "plant/map_words.html", page)


def _driver(asked: Asked) -> str:
    """The driver of an address that has a map. Raises ConnectionInvalid."""
    try:
        driver = asked.driver
    except DriverUnknownError as error:
        raise ConnectionInvalid(detail=str(error)) from error
    if not looking.has_map(driver):
        raise ConnectionInvalid(detail=asked.url)
    return driver
