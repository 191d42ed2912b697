"""Acceptance criteria of a validation, checked in the user's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from baro.apps.pat.errors import CriteriaInvalid
from baro.science.errors import CriterionError
from baro.science.validation import COMPARISONS, FIGURES, parse

__all__ = ["COMPARISONS", "FIGURES", "checked"]


def checked(criteria: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Criteria with what they need and nothing else. Raises CriteriaInvalid, which names what is wrong."""
    try:
        return [criterion.as_json() for criterion in parse(criteria)]
    except CriterionError as error:
        raise CriteriaInvalid(detail=_words(error)) from error


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
