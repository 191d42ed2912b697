"""What addresses carry: numbers of lots as the equipment reports them, and whole numbers."""

from __future__ import annotations

from urllib.parse import unquote

from django.urls import register_converter


class LotNumber:
    """Any number of a lot as one segment of a path, and back.

    The server decodes a path once before it is taken apart, so what would end the segment, or would be
    taken for a step up by the browser, is quoted here and once more by Django.
    """

    regex = "[^/]+"

    def to_python(self, text: str) -> str:
        return unquote(text)

    def to_url(self, lot_no: str) -> str:
        quoted = lot_no.replace("%", "%25").replace("/", "%2F")
        return quoted if quoted.strip(".") else quoted.replace(".", "%2E")


register_converter(LotNumber, "lot")


def whole_number(text: str | None) -> int:
    """A number of at most 18 digits; 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else 0
