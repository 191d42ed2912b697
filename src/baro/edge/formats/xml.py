"""XML of instruments: no document types, no entities, bounded in size."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, fromstring

from baro.edge.errors import FileDamagedError, FileTooLargeError
from baro.edge.formats.text import UTF16, decode

MOST_BYTES = 32 * 1024 * 1024
MOST_TAGS = 1 << 21
"""Elements begin and end with one each."""


def head(data: bytes, length: int) -> bytes:
    """The beginning of a document in a form in which names of elements can be looked for."""
    return decode(data[:length]).encode("utf-8", "replace") if data.startswith(UTF16) else data[:length]


def parse(data: bytes, block: str) -> Element:
    """The root. Raises FileDamagedError, FileTooLargeError."""
    if len(data) > MOST_BYTES:
        raise FileTooLargeError(f"{len(data)} bytes of XML; at most {MOST_BYTES} are read", block=block)
    if b"\0" in data[:4096] and not data.startswith(UTF16):
        raise FileDamagedError("two bytes a sign and no mark of it", block=block, offset=data.find(b"\0"))
    # in two bytes a sign, a document type would not be found by its name
    text = data
    if data.startswith(UTF16):
        whole = decode(data)
        declared = whole.startswith("<?xml") and "?>" in whole
        text = (whole.partition("?>")[2] if declared else whole).lstrip().encode("utf-8", "replace")
    if text.count(b"<") > MOST_TAGS:
        raise FileTooLargeError(f"more than {MOST_TAGS} tags", block=block)
    place = max(text.find(b"<!DOCTYPE"), text.find(b"<!ENTITY"))
    if place >= 0:
        raise FileDamagedError("a document type is not taken in", block=block, offset=place)
    try:
        return fromstring(text)  # noqa: S314 - without a document type there is nothing to expand
    except ParseError as error:
        line, column = error.position
        offset = sum(len(part) + 1 for part in text.split(b"\n")[: line - 1]) + column
        raise FileDamagedError(str(error), block=block, offset=offset) from error
    except (ValueError, LookupError) as error:
        raise FileDamagedError(str(error), block=block) from error


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
