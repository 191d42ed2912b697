"""Rows and cells of CSV and Excel files, before anything is known about what they mean."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field

from baro.edge.errors import FileDamagedError, FileTooLargeError
from baro.edge.formats.text import MOST_LINES, UTF16, decode, split_lines

DELIMITERS = ("\t", ";", ",", "|", " ")
MOST_BYTES = 64 * 1024 * 1024
"""Of text, and of an Excel file unpacked."""
MOST_CELLS = 1 << 23
MOST_COLUMNS = 100_000
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)


@dataclass(slots=True)
class Grid:
    """Cells as text, exactly as they are written; Excel's numbers in their shortest exact form.

    `offsets`: where each row begins in the file; empty for Excel.
    """

    rows: list[list[str]]
    delimiter: str = ""
    sheet: str = ""
    offsets: list[int] = field(default_factory=list)

    def offset(self, row: int) -> int | None:
        """Where a row begins in the file, when that can be said."""
        return self.offsets[row] if 0 <= row < len(self.offsets) else None


def cell_number(text: str, decimal: str = ".") -> float | None:
    """The number in a cell; None when it is none. `decimal` is the sign before the decimals."""
    text = text.strip()
    if decimal != ".":
        if "." in text:
            return None
        text = text.replace(decimal, ".")
    if len(text) > 64 or not _PLAIN.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def is_excel(data: bytes) -> bool:
    """Is it an Excel workbook of the xlsx kind?"""
    return data.startswith(b"PK\3\4") and (b"xl/workbook.xml" in data or b"xl/worksheets" in data)


def is_text(data: bytes) -> bool:
    """Does it look like text?"""
    if data.startswith(UTF16):
        return True
    head = data[:8192]
    return bool(head) and not re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", head.rstrip(b"\x1a"))


def lines(data: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a text with their offsets. Raises FileTooLargeError."""
    if len(data) > MOST_BYTES:
        raise FileTooLargeError(f"{len(data)} bytes of text; at most {MOST_BYTES} are read")
    if data.count(b"\n") > MOST_LINES or data.count(b"\r") > MOST_LINES:
        raise FileTooLargeError(f"more than {MOST_LINES} lines")
    if data.startswith(UTF16):
        place = 2
        for line in split_lines(decode(data).removeprefix("\ufeff")):
            yield place, line.rstrip("\r\n")
            place += 2 * len(line)
        return
    text = decode(data)
    encoding = "utf-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        encoding = "latin-1" if len(text) == len(data) else "euc_kr"
    place = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    for line in split_lines(text):
        yield place, line.rstrip("\r\n\x1a")
        place += len(line) if line.isascii() else len(line.encode(encoding))


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line. Raises ValueError when quotes do not close."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise ValueError(str(error)) from error


def text_grid(data: bytes, delimiter: str) -> Grid:
    """A text cut into cells. Raises FileDamagedError or FileTooLargeError."""
    grid = Grid([], delimiter)
    cells = 0
    for offset, line in lines(data):
        try:
            row = split(line, delimiter)
        except ValueError as error:
            raise FileDamagedError(str(error), block="table", offset=offset) from error
        cells += len(row)
        if cells > MOST_CELLS or len(row) > MOST_COLUMNS:
            raise FileTooLargeError(f"more than {MOST_CELLS} cells, or than {MOST_COLUMNS} in a row", block="table")
        grid.rows.append(row)
        grid.offsets.append(offset)
    return grid


def excel_grid(data: bytes, sheet: str = "") -> Grid:
    """The cells of a sheet, the first one when none is named. Raises FileDamagedError or FileTooLargeError."""
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise FileTooLargeError(f"{size} bytes unpacked; at most {MOST_BYTES} are read")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            try:
                if sheet and sheet not in book.sheetnames:
                    raise FileDamagedError("there is no such sheet", block=sheet)
                page = book[sheet] if sheet else book.worksheets[0]
                grid = Grid([], "", str(page.title))
                cells = 0
                for row in page.iter_rows(values_only=True):
                    found = [_cell(value) for value in row]
                    while found and not found[-1]:
                        found.pop()
                    cells += len(row) + 1
                    if cells > MOST_CELLS or len(row) > MOST_COLUMNS:
                        raise FileTooLargeError(f"more than {MOST_CELLS} cells", block=grid.sheet)
                    grid.rows.append(found)
            finally:
                book.close()
    except (FileDamagedError, FileTooLargeError):
        raise
    except Exception as error:  # the library raises whatever its own reading of broken XML comes to
        raise FileDamagedError(f"the workbook cannot be read: {type(error).__name__}: {error}"[:500]) from error
    while grid.rows and not grid.rows[-1]:
        grid.rows.pop()
    return grid


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int | float):
        return repr(value)
    return str(value)[:1000].strip()
