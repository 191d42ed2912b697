"""The map of a device that tells no names, as a form carries it: rows to entries, entries to what is recorded."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from baro.apps.plant.connections.asking import Picked
from baro.apps.plant.connections.problems import sentences, status_words
from baro.apps.plant.errors import MapInvalid
from baro.edge import maps
from baro.edge.driver import load_driver
from baro.edge.drivers.modbus.mapping import ORDERS, TABLES
from baro.edge.drivers.modbus.mapping import TYPES as MODBUS_TYPES
from baro.edge.drivers.s7.mapping import TYPES as S7_TYPES
from baro.edge.errors import MapInvalidError
from baro.edge.maps import Column, Entry, Peeked, Row

ROWS_SHOWN = 300
FIRST_ROWS = 3
CHOICES: dict[tuple[str, str], tuple[str, ...]] = {
    ("modbus", "table"): tuple(TABLES.values())[::-1],
    ("modbus", "order"): tuple(ORDERS),
}
"""Cells that are chosen from a list."""
TYPES: dict[str, tuple[str, ...]] = {"modbus": MODBUS_TYPES, "s7": S7_TYPES}
KEPT = {"modbus": ("device", "table", "type", "order"), "s7": ("type",)}
"""What a new row takes over from the one above it."""


@dataclass(frozen=True, slots=True)
class FormRow:
    """A row on the page. key: what its fields are called after."""

    key: str
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page shows beside a row: its value, or why there is none."""

    key: str
    value: Any = None
    unit: str = ""
    shown: str = ""
    problems: Sequence[str] = ()


def columns_of(driver: str) -> Sequence[Column]:
    """The columns of the driver's map."""
    found: Sequence[Column] = load_driver(driver).columns
    return found


def form_rows(form: Any, driver: str) -> list[FormRow]:
    """The rows of a form. Those where nothing is filled in are left out."""
    names = [one.name for one in columns_of(driver)]
    out = []
    for key in form.getlist("row")[: maps.ROWS_MOST]:
        cells = {name: form.get(f"{name}-{key}", "").strip() for name in names}
        if cells["tag"] or cells["address"]:
            out.append(FormRow(key, cells))
    return out


def numbered(rows: Iterable[FormRow]) -> list[Row]:
    """The rows for the driver, counted from 1."""
    return [Row(number, one.cells) for number, one in enumerate(rows, start=1)]


def new_row(cells: Mapping[str, str] | None = None) -> FormRow:
    """A row that is not on the page yet."""
    return FormRow(f"r{secrets.token_hex(4)}", cells or {})


def next_row(rows: Sequence[FormRow], driver: str) -> FormRow:
    """A row below these, of the same kind as the last one."""
    last = rows[-1].cells if rows else {}
    return new_row({name: last[name] for name in KEPT[driver] if last.get(name)})


def loaded(data: bytes, driver: str) -> list[FormRow]:
    """The rows of a CSV file. Raises MapInvalid."""
    try:
        rows = maps.from_csv(data, columns_of(driver))
    except MapInvalidError as error:
        raise invalid(error) from error
    return [new_row(dict(one.cells)) for one in rows]


def checked(entries: maps.Entries) -> list[Entry]:
    """All entries of a map that is right. Raises MapInvalid, which names every row that is not."""
    try:
        return entries.whole()
    except MapInvalidError as error:
        raise invalid(error) from error


def invalid(error: MapInvalidError) -> MapInvalid:
    """The same in a person's words."""
    return MapInvalid(detail=sentences(error.problems))


def picked(entries: Sequence[Entry], source: str) -> list[Picked]:
    """What is recorded of the entries."""
    return [
        Picked(
            path=one.what.model_dump_json(exclude_defaults=True),
            kind="tag",
            source=source,
            tag=getattr(one.what, "tag", ""),
            label=getattr(one.what, "tag", ""),
            unit=getattr(one.what, "unit", ""),
            low=one.low,
            high=one.high,
        )
        for one in entries
    ]


def seen(rows: Sequence[FormRow], found: maps.Entries, values: Sequence[Peeked], driver: str) -> list[Seen]:
    """What stands beside each row. values: one for each of `found.good`; empty where the device was not asked."""
    by_line = {one.line: (one, values[at] if values else None) for at, one in enumerate(found.good)}
    out = []
    for number, row in enumerate(rows, start=1):
        problems = [sentences([one], place=False) for one in found.problems if one.line == number]
        if problems or number not in by_line:
            out.append(Seen(row.key, problems=problems))
            continue
        entry, peeked = by_line[number]
        if peeked is not None and (words := value_words(driver, peeked)):
            out.append(Seen(row.key, shown=entry.shown, problems=[words]))
        else:
            value = None if peeked is None else peeked.value
            out.append(Seen(row.key, value, getattr(entry.what, "unit", ""), entry.shown))
    return out


def value_words(driver: str, peeked: Peeked) -> str:
    """Why there is no good value; empty where there is one."""
    return status_words(driver, peeked.quality) if peeked.value is None else ""


def summary(found: maps.Entries) -> str:
    """How many rows can be used."""
    return _("%(good)s of %(all)s rows can be used.") % {
        "good": len(found.good),
        "all": len(found.good) + len({one.line for one in found.problems}),
    }
