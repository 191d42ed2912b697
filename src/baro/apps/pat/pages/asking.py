"""Dialogs of this room that ask for some fields and a reason, and do one act."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError
from baro.apps.pat.errors import DataInvalid

Text = str | Promise
MOST_TEXT = 100_000
LEAST_ROWS = 4
COMPARISON_WORDS = (("at_most", _("at most")), ("at_least", _("at least")), ("within", _("within ±, or from and to")))


@dataclass(frozen=True, slots=True)
class Field:
    """One field. kind: ``text``, ``number``, ``textarea``, ``select``, ``check``, ``time`` (in the plant's zone), or
    ``criteria``: lines of a figure, a comparison and a limit, chosen from lists. options: (value, words)."""

    name: str
    label: Text
    kind: str = "text"
    value: str = ""
    options: Sequence[tuple[str, Text]] = ()
    hint: Text = ""
    required: bool = True


REASON = Field("reason", _("Reason"), "textarea")


def dialog(
    request: HttpRequest,
    title: Text,
    button: Text,
    fields: Sequence[Field],
    act: Callable[[dict[str, str]], str | None],
    *,
    note: Text = "",
    name: str = "",
) -> HttpResponse:
    """GET: the dialog. POST: `act` with what was typed; it may give the address to go to, else the page loads again.

    What is refused comes back with the words that were typed.
    """
    typed = {field.name: _typed(request, field)[:MOST_TEXT] for field in fields}
    page: dict[str, Any] = {
        "title": title,
        "button": button,
        "note": note,
        "name": name,
        "url": request.get_full_path(),
        "fields": [(field, typed[field.name], criteria_rows(typed[field.name])) for field in fields],
        "comparisons": COMPARISON_WORDS,
    }
    if request.method != "POST":
        return render(request, "pat/dialog.html", page)
    try:
        to = act(typed)
    except BaroError as error:
        return render(request, "pat/dialog_form.html", page | {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Redirect": to} if to else {"HX-Refresh": "true"})


def why_not(request: HttpRequest, permission: str) -> str:
    """Why this person finds no button for an act, and who may do it; empty for who may."""
    if request.user.may(permission):
        return ""
    refusal = request.user.why_not(permission)
    return f"{refusal.text} {refusal.advice_text}"


def criteria_rows(text: str) -> list[list[str]]:
    """(figure, comparison, limits) of each line, and empty rows for more."""
    rows = [[*line.split(None, 2), "", "", ""][:3] for line in text.splitlines() if line.strip()]
    return rows + [["", "", ""]] * max(LEAST_ROWS - len(rows), 2)


def _typed(request: HttpRequest, field: Field) -> str:
    """What was typed in a field; the rows of criteria as lines."""
    names = [f"{field.name}-{part}" for part in ("figure", "comparison", "limit")]
    if field.kind != "criteria" or names[0] not in request.POST:
        return request.POST.get(field.name, field.value)
    rows = zip(*(request.POST.getlist(name) for name in names), strict=False)
    return "\n".join(" ".join(part.strip() for part in row) for row in rows if row[0] or row[2].strip())


def number(text: str, what: Text, *, whole: bool = False) -> float | None:
    """A number that somebody typed; None for nothing. Raises DataInvalid."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        raise DataInvalid(detail=f"{what}: {text[:40]}") from error


def moment(text: str, what: Text) -> datetime:
    """A time that somebody typed, of the plant's zone where it names none. Raises DataInvalid."""
    try:
        found = datetime.fromisoformat(text.strip())
        return timezone.make_aware(found) if timezone.is_naive(found) else found
    except (ValueError, OverflowError) as error:
        raise DataInvalid(detail=f"{what}: {text[:40]}") from error


def lines(text: str, what: Text, least: int, most: int) -> list[list[float | None]]:
    """Numbers that somebody typed, a row a line, `least` to `most` in each; None for a hyphen. Raises DataInvalid."""
    rows = []
    for line in filter(None, map(str.strip, text.splitlines())):
        cells = line.replace(";", " ").replace("\t", " ").split()
        if not least <= len(cells) <= most:
            raise DataInvalid(detail=f"{what}: {line[:60]}")
        rows.append([None if cell in ("-", "–") else number(cell, what) for cell in cells])
    return rows
