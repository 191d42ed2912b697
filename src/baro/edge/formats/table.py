"""Plain CSV and Excel tables: known as tables, read only by an explicit mapping."""

from __future__ import annotations

from baro.edge.errors import FormatUnsupportedError, MappingNeededError
from baro.edge.formats.grid import DELIMITERS, cell_number, is_excel, is_text, lines, split
from baro.edge.formats.mapping import propose
from baro.edge.formats.registry import NO, PERHAPS
from baro.edge.formats.result import Reading

NAME = "table"
LABEL = "CSV or Excel table"
HEAD = 1 << 22
"""Bytes that are looked at: a row of a wide table is long."""


_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OTHERS = {
    (_OLE, "EncryptedPackage".encode("utf-16-le")): "an Excel workbook behind a password: save it without one",
    (_OLE, "Workbook".encode("utf-16-le")): "an Excel workbook of the old kind (xls): save it as xlsx",
    (b"PK\3\4", b"xl/workbook.bin"): "an Excel workbook of the binary kind (xlsb): save it as xlsx",
    (b"PK\3\4", b"application/vnd.oasis.opendocument.spreadsheet"): "an OpenDocument table (ods): save it as xlsx",
}
"""Workbooks that are not read, by how they begin and what is in them."""


def _other(data: bytes) -> str:
    return next((what for (mark, inside), what in OTHERS.items() if data.startswith(mark) and inside in data), "")


def sniff(data: bytes) -> int:
    """A workbook, or text with two lines of two cells and more of which some are numbers."""
    if is_excel(data) or _other(data):
        return PERHAPS
    if not is_text(data):
        return NO
    found = 0
    for (_, line), _ in zip(lines(data[:HEAD]), range(100), strict=False):
        for delimiter in DELIMITERS:
            try:
                cells = split(line, delimiter)
            except ValueError:
                continue
            if len(cells) > 1 and any(cell_number(cell) is not None for cell in cells):
                found += 1
                break
    return PERHAPS if found >= 2 else NO


def read(data: bytes, name: str) -> Reading:
    """Never guesses: the refusal holds what a mapping could be, for somebody to confirm."""
    if other := _other(data):
        raise FormatUnsupportedError(other, offset=0)
    proposal = propose(data)
    found = f"; it could be: {'; '.join(proposal.reasons)}" if proposal.mapping else ""
    raise MappingNeededError(f"{name or 'the table'} has no mark of an instrument{found}"[:500])
