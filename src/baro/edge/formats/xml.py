"""XML of instruments: no document types, no entities, bounded in size."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError, fromstring

from baro.edge.errors import FileDamagedError, FileTooLargeError

MOST_BYTES = 32 * 1024 * 1024


def parse(data: bytes, block: str) -> Element:
    """The root. Raises FileDamagedError, FileTooLargeError."""
    if len(data) > MOST_BYTES:
        raise FileTooLargeError(f"{len(data)} bytes of XML; at most {MOST_BYTES} are read", block=block)
    place = max(data.find(b"<!DOCTYPE"), data.find(b"<!ENTITY"))
    if place >= 0:
        raise FileDamagedError("a document type is not taken in", block=block, offset=place)
    try:
        return fromstring(data)  # noqa: S314 - without a document type there is nothing to expand
    except ParseError as error:
        line, column = error.position
        offset = sum(len(part) + 1 for part in data.split(b"\n")[: line - 1]) + column
        raise FileDamagedError(str(error), block=block, offset=offset) from error
    except (ValueError, LookupError) as error:
        raise FileDamagedError(str(error), block=block) from error


def local(element: Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
