"""What is wrong with a typed map, and why a value did not come, in a person's words."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from baro.edge.errors import Problem
from baro.edge.quality import (
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_NOT_READABLE,
    BAD_NOT_SUPPORTED,
    BAD_OUT_OF_SERVICE,
    BAD_RESOURCE_UNAVAILABLE,
    BAD_TIMEOUT,
    BAD_TYPE_MISMATCH,
    UNCERTAIN_SUBSTITUTE_VALUE,
)

Text = str | Promise
TOLD_MOST = 8

HEADINGS: dict[str, Text] = {
    "tag": gettext_lazy("Tag name"),
    "device": gettext_lazy("Unit id"),
    "table": gettext_lazy("Table"),
    "address": gettext_lazy("Address"),
    "type": gettext_lazy("Data type"),
    "order": gettext_lazy("Byte order"),
    "scale": gettext_lazy("Scale"),
    "offset": gettext_lazy("Offset"),
    "unit": gettext_lazy("Unit"),
    "low": gettext_lazy("Normal from"),
    "high": gettext_lazy("Normal to"),
}
PROBLEMS: dict[str, Text] = {
    "not_text": gettext_lazy("the file is no text in UTF-8 or CP949"),
    "not_table": gettext_lazy("the file is no table from here on: %(value)s"),
    "empty": gettext_lazy("there is no row"),
    "rows_many": gettext_lazy("more than %(other)s rows"),
    "column_missing": gettext_lazy("the column %(field)s (%(name)s) is missing"),
    "cells_many": gettext_lazy("%(value)s cells under %(other)s headings"),
    "missing": gettext_lazy("%(field)s is empty"),
    "number_wrong": gettext_lazy("%(field)s: %(value)s is not a number"),
    "range_wrong": gettext_lazy("the normal range ends at %(other)s, before it begins at %(value)s"),
    "tag_twice": gettext_lazy("the name %(value)s stands in row %(other)s already"),
    "address_wrong": gettext_lazy("%(value)s is not written as an address; for example: %(other)s"),
    "address_beyond": gettext_lazy("there is no address %(value)s; there are %(other)s"),
    "table_wrong": gettext_lazy("the table %(value)s does not fit: %(other)s"),
    "type_wrong": gettext_lazy("there is no data type %(value)s; there are %(other)s"),
    "type_unfit": gettext_lazy("the data type %(value)s does not fit %(other)s"),
    "order_wrong": gettext_lazy("there is no byte order %(value)s; there are %(other)s"),
    "overlap": gettext_lazy("%(value)s overlaps with row %(other)s"),
    "block_absent": gettext_lazy("the CPU has no %(value)s"),
    "block_short": gettext_lazy("%(value)s lies outside of its block, which has %(other)s bytes"),
}
NUMBER_OF: Text = gettext_lazy("%(field)s: %(value)s is not a number of %(other)s")
STATUSES: dict[int, Text] = {
    BAD_CONFIGURATION_ERROR: gettext_lazy(
        "no such address: is the table right, and does the manual count from 0 or 1?"
    ),
    BAD_NOT_SUPPORTED: gettext_lazy("the device does not serve this table"),
    BAD_DEVICE_FAILURE: gettext_lazy("the device reports a failure"),
    BAD_RESOURCE_UNAVAILABLE: gettext_lazy("the device is busy"),
    BAD_NO_COMMUNICATION: gettext_lazy("behind the gateway nothing answers: is the unit id right?"),
    BAD_TIMEOUT: gettext_lazy("no answer: is the unit id right?"),
    BAD_TYPE_MISMATCH: gettext_lazy("what is there is not of this type"),
    BAD_NOT_READABLE: gettext_lazy("protected: allow PUT/GET access at the CPU"),
    BAD_OUT_OF_SERVICE: gettext_lazy("out of service"),
    UNCERTAIN_SUBSTITUTE_VALUE: gettext_lazy("overridden by hand"),
}
STATUSES_S7: dict[int, Text] = {
    BAD_CONFIGURATION_ERROR: gettext_lazy(
        "no such address: the block is not there, is shorter, or has optimised access"
    ),
}

OFFERED = (
    gettext_noop("vendor"),
    gettext_noop("product code"),
    gettext_noop("revision"),
    gettext_noop("web page"),
    gettext_noop("product"),
    gettext_noop("model"),
    gettext_noop("application"),
    gettext_noop("device"),
    gettext_noop("tables that answer at their first address"),
    gettext_noop("the device does not tell who it is (function 43/14)"),
    gettext_noop("module"),
    gettext_noop("station"),
    gettext_noop("serial number"),
    gettext_noop("order number"),
    gettext_noop("firmware"),
    gettext_noop("protection level"),
    gettext_noop("data blocks"),
    gettext_noop("the CPU does not list its data blocks"),
    gettext_noop("choose a device"),
    gettext_noop("the device allows no subscription to changes: it is polled"),
    gettext_noop("the device has more objects than are shown"),
)
"""What drivers of devices without names say in an offer, as labels and notes."""


def offered(text: str) -> str:
    """A label or note of an offer: in the person's language where it is one of ours, else as the device told it."""
    return _(text) if text in OFFERED else text


def sentences(problems: Sequence[Problem], place: bool = True) -> str:
    """The problems, one after the other, each with the line where it is."""
    out = []
    for one in problems[:TOLD_MOST]:
        text = str(NUMBER_OF if one.reason == "number_wrong" and one.other else PROBLEMS[one.reason]) % _facts(one)
        out.append(_("line %(line)s: %(text)s") % {"line": one.line, "text": text} if place and one.line else text)
    if len(problems) > TOLD_MOST:
        out.append(_("and %(n)s more") % {"n": len(problems) - TOLD_MOST})
    return "; ".join(out)


def _facts(problem: Problem) -> dict[str, Text]:
    """What fills a sentence: of a column its heading as the page shows it."""
    return problem._asdict() | {"field": HEADINGS.get(problem.field, problem.field), "name": problem.field}


def status_words(driver: str, quality: int) -> str:
    """Why a value did not come."""
    words = (STATUSES_S7 if driver == "s7" else {}).get(quality) or STATUSES.get(quality)
    return str(words) if words else _("no value (status %(code)s)") % {"code": f"{quality:#010x}"}
