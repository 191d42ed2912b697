"""What belongs to what: rooms tell the ledger which records belong to a lot, or to whatever has a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import Model

Records = Mapping[type[Model], Iterable[Any]]
_finders: dict[str, Callable[[str], Records]] = {}


def belongs(kind: str, find: Callable[[str], Records]) -> None:
    """Tell how the records (model → keys) are found that belong to the `kind` of this name, such as a lot."""
    _finders[kind] = find


def records_of(kind: str, name: str) -> Records:
    """The records that belong to the `kind` of this name; what the room raises when there is none."""
    return _finders[kind](name)
