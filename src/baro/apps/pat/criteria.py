"""Acceptance criteria of a validation, checked in the user's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from baro.apps.pat.errors import CriteriaInvalid
from baro.science.errors import CriterionError
from baro.science.validation import parse


def checked(criteria: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Criteria with what they need and nothing else. Raises CriteriaInvalid, which names what is wrong."""
    try:
        return [criterion.as_json() for criterion in parse(criteria)]
    except CriterionError as error:
        raise CriteriaInvalid(detail=_words(error)) from error


def from_lines(text: str) -> list[dict[str, Any]]:
    """Criteria one a line: figure, comparison, and a limit, or a low and a high one. Raises CriteriaInvalid."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = line.split()
        if not 3 <= len(parts) <= 4:
            raise CriteriaInvalid(detail=_("a line takes figure, comparison and limit: %(line)s") % {"line": line[:80]})
        figure, comparison, *limits = parts
        try:
            values = [float(one.replace(",", ".")) for one in limits]
        except ValueError as error:
            raise CriteriaInvalid(detail=_("%(figure)s: the limit is no number") % {"figure": figure}) from error
        limit = {"limit": values[0]} if len(values) == 1 else {"low": values[0], "high": values[1]}
        found.append({"figure": figure, "comparison": comparison} | limit)
    return found


def to_lines(criteria: Iterable[Mapping[str, Any]]) -> str:
    """The lines that `from_lines` reads."""
    return "\n".join(
        " ".join(
            [
                one["figure"],
                one["comparison"],
                *(f"{one[name]:g}" for name in ("limit", "low", "high") if name in one),
            ]
        )
        for one in criteria
    )


def _words(error: CriterionError) -> str:
    sentences = {
        "form": _("%(figure)s is no criterion"),
        "figure": _("there is no figure %(figure)s; there are %(figures)s"),
        "comparison": _("%(figure)s: the comparison is one of %(comparisons)s"),
        "limit": _("%(figure)s: the limit is no number"),
        "order": _("%(figure)s: the lower limit is above the upper one"),
        "twice": _("%(figure)s: it is named twice"),
        "none": _("there are none"),
    }
    return sentences[error.code] % error.facts
