"""Plain CSV and Excel tables: known as tables, read only by an explicit mapping."""

from __future__ import annotations

from baro.edge.errors import MappingNeededError
from baro.edge.formats.grid import cell_number, is_excel, is_text, lines, split
from baro.edge.formats.mapping import propose
from baro.edge.formats.registry import NO, PERHAPS
from baro.edge.formats.result import Reading

NAME = "table"
LABEL = "CSV or Excel table"


def sniff(data: bytes) -> int:
    """A workbook, or text with two lines of two cells and more of which some are numbers."""
    if is_excel(data):
        return PERHAPS
    if not is_text(data):
        return NO
    found = 0
    for (_, line), _ in zip(lines(data[:65536]), range(100), strict=False):
        for delimiter in ("\t", ";", ",", " "):
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
    proposal = propose(data)
    found = f"; it could be: {'; '.join(proposal.reasons)}" if proposal.mapping else ""
    raise MappingNeededError(f"{name or 'the table'} has no mark of an instrument{found}"[:500])
