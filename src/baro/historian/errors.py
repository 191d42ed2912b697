"""Errors of the historian. The docstring is the message; the facts follow it."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar


class HistorianError(Exception):
    """The historian could not do this."""

    retryable: ClassVar[bool] = False
    """True when the same call may succeed later without anything being changed in it."""

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.message)

    @property
    def message(self) -> str:
        return inspect.cleandoc(type(self).__doc__ or "").partition("\n\n")[0].replace("\n", " ")

    def __str__(self) -> str:
        facts = ", ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.message} ({facts})" if facts else self.message


class StoreUnavailable(HistorianError):
    """The database is not reachable or not ready. Nothing was lost: write again."""

    retryable = True


class Refused(HistorianError):
    """The database refuses this as it stands. Writing it again will not help."""


class Malformed(Refused):
    """The block is not one: sequence numbers must rise, and every observation needs its digest."""


class ContentConflict(Refused):
    """Something else is stored under this key already. What is stored stays."""


class Overlap(Refused):
    """Some of these sequence numbers are stored already, in another block. What is stored stays."""


class ChainBroken(Refused):
    """This entry of a journal does not follow from the one before it that is stored. What is stored stays."""


class Damaged(HistorianError):
    """What is stored no longer gives the digest it was stored with."""


class SealedFileMissing(HistorianError):
    """A sealed file of the catalogue is not in the lake."""


class AxesDiffer(HistorianError):
    """These spectra were measured on different axes: ask for one source or one lot at a time."""


class UnknownAxis(HistorianError):
    """No axis with this digest is stored."""


class Busy(HistorianError):
    """What was asked for was being sealed at this very moment, again and again. Ask again."""

    retryable = True


class FormUnknown(HistorianError):
    """Exports are written as .parquet, .arrow or .csv."""
