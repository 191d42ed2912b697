"""JCAMP-DX 4.24, 5.00, 5.01 and 6.00: AFFN, PAC, SQZ, DIF and DUP tables, points, peaks, NTUPLES, linked blocks.

Sources: McDonald and Wilks 1988 (4.24), Davies and Lampen 1993 (NMR 5.00), Lampen et al. 1994 (MS 5.00), Lampen et al.
1999 (5.01). Every table is held against NPOINTS, FIRSTX, LASTX, FIRSTY, MAXY, MINY, MAXX and MINX, and against the
abscissae at the beginning of its lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from baro.edge.errors import FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import asdf
from baro.edge.formats.jcamp_ntuples import read_ntuples
from baro.edge.formats.jcamp_table import Header, one_table
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import MAX_BLOCKS, Reading, Room, Spectra
from baro.edge.formats.text import MOST_LINES, UTF16, decode, make_time, split_lines

NAME = "jcamp"
LABEL = "JCAMP-DX"
MOST = 32 * 1024 * 1024
"""Bytes; the text forms are read number by number."""
DEPTH = 16
"""Links in links that are followed."""

_RECORD = re.compile(r"^(?:\xef\xbb\xbf)?[ \t]*##(?:([^=\r\n]{0,200})=|END[ \t]*\r?$)", re.MULTILINE)
"""A label; of ``##END`` some programs leave the sign out."""
_IN_LABELS = dict.fromkeys(map(ord, " \t\n\r\x0b\x0c\x85\xa0/_-"))
"""Signs that make no difference in a label."""
_TABLES = {"XYDATA", "XYPOINTS", "PEAKTABLE", "PEAKASSIGNMENTS", "RADATA", "DATATABLE"}


def sniff(data: bytes) -> int:
    """A JCAMP-DX file begins with ``##TITLE=``; comments and blanks may come before."""
    head = data[:4096]
    if head.startswith(UTF16):
        head = decode(head).encode()
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    while head.startswith((b"$$", b"##=")):
        head = head.partition(b"\n")[2].lstrip()
    return CERTAIN if re.match(rb"##[ _-]*TITLE[ \t]*=", head, re.IGNORECASE) else NO


@dataclass(slots=True)
class _Block:
    number: str
    offset: int
    records: dict[str, tuple[int, str]] = field(default_factory=dict)
    tables: list[tuple[str, int, str, dict[str, tuple[int, str]]]] = field(default_factory=list)
    blocks: int = 0
    ended: bool = False


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    if len(data) > MOST:
        raise FileTooLargeError(f"{len(data)} bytes; at most {MOST} are read")
    notes: list[str] = []
    if data.startswith(UTF16):
        data = decode(data).encode("utf-8", "replace")
        notes.append("a text in UTF-16: places in it are told as of UTF-8")
    text = data.decode("latin-1")
    if "\n" not in text:
        text = text.replace("\r", "\n")  # one sign for one, so that offsets stay
    if text.count("\n") > MOST_LINES:
        raise FileTooLargeError(f"more than {MOST_LINES} lines")
    blocks = _blocks(text, notes)
    found: list[Spectra] = []
    room = Room(asdf.MAX_VALUES)
    for block in blocks:
        found += _spectra(block, notes, name, room)
    if not found:
        raise FormatUnsupportedError("no block holds a table of data", block=blocks[0].number, offset=blocks[0].offset)
    version = blocks[0].records.get("JCAMPDX", (0, ""))[1] or next(
        (b.records["JCAMPDX"][1] for b in blocks if "JCAMPDX" in b.records), ""
    )
    forms = sorted({item.metadata["table"] for item in found})
    return Reading(
        NAME, f"{version.split()[0] if version.split() else '?'} {', '.join(forms)}", tuple(found), notes=tuple(notes)
    )


def _blocks(text: str, notes: list[str]) -> list[_Block]:
    found: list[_Block] = []
    open_: list[_Block] = []
    marks = list(_RECORD.finditer(text))
    page: dict[str, tuple[int, str]] = {}
    outer = tables = 0
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        label = "END" if mark.group(1) is None else mark.group(1).translate(_IN_LABELS).upper()
        raw = text[mark.end() : following.start() if following else len(text)]
        if label == "":
            continue  # a comment
        if label == "TITLE":
            if open_ and open_[-1].tables:
                notes.append(f"block {open_[-1].number} has no ##END=")
                open_.pop()
            if len(open_) >= DEPTH:
                raise FileDamagedError(f"more than {DEPTH} blocks in each other", offset=mark.start())
            if open_:
                open_[-1].blocks += 1
            else:
                outer += 1
            number = f"{open_[-1].number}.{open_[-1].blocks}" if open_ else str(outer)
            if len(found) >= MAX_BLOCKS:
                raise FileTooLargeError(f"more than {MAX_BLOCKS} blocks", offset=mark.start())
            block = _Block(number, mark.start())
            found.append(block)
            open_.append(block)
            page = {}
        if not open_:
            raise FileDamagedError(f"##{label[:40]}= stands outside of all blocks", offset=mark.start())
        block = open_[-1]
        if label == "END":
            block.ended = True
            open_.pop()
            page = {}
        elif label in _TABLES:
            tables += 1
            if tables > MAX_BLOCKS:
                raise FileTooLargeError(f"more than {MAX_BLOCKS} tables", block=block.number, offset=mark.start())
            block.tables.append((label, mark.end(), raw, dict(page)))
        elif label in ("PAGE", "ENDNTUPLES"):
            page = {"PAGE": (mark.end(), _value(raw))} if label == "PAGE" else {}
        elif page:
            page[label] = (mark.end(), _value(raw))
        else:
            block.records.setdefault(label, (mark.end(), _value(raw)))
    if not found:
        raise FileDamagedError("there is no ##TITLE=", offset=0)
    notes += [f"block {block.number} has no ##END=" for block in open_]
    for block in found:
        stated = block.records.get("BLOCKS", (0, ""))[1]
        if stated.isdecimal() and int(stated) not in (block.blocks, block.blocks + 1):
            notes.append(f"block {block.number} announces {stated} blocks and holds {block.blocks}")
    return found


def _value(raw: str) -> str:
    lines = [line.partition("$$")[0].strip() for line in split_lines(raw[:20000])]
    return decode("\n".join(line for line in lines if line).encode("latin-1"))


def _lines(start: int, raw: str) -> tuple[str, asdf.Lines]:
    """The form of a table and its lines with their offsets."""
    lines: asdf.Lines = []
    form, place = "", start
    for line in split_lines(raw):
        text = line.partition("$$")[0].rstrip("\r\n\x1a \t")
        if not form and text.strip():
            form = text.strip()
        elif text.strip():
            lines.append((place, text))
        place += len(line)
    return form, lines


def _spectra(block: _Block, notes: list[str], name: str, room: Room) -> list[Spectra]:
    if not block.tables:
        return []
    records = Header(block.number, block.records)
    metadata = {
        label: value[:500] for label, (_, value) in list(block.records.items())[:500] if value and label != "TITLE"
    }
    title = block.records.get("TITLE", (0, ""))[1].split("\n", 1)[0].strip() or name
    time = _time(records, notes)
    if "NTUPLES" in block.records or "SYMBOL" in block.records:
        pages = []
        for label, start, raw, page in block.tables:
            form, lines = _lines(start, raw)
            pages.append((label, start, form, lines, Header(block.number, page)))
        return read_ntuples(records, pages, metadata, title, time, notes, room)
    found = []
    for label, start, raw, _ in block.tables:
        form, lines = _lines(start, raw)
        found.append(one_table(records, label, start, form, lines, metadata, title, time, notes))
        room.take(found[-1].values.size, block=block.number, offset=start)
    return found


def _time(records: Header, notes: list[str]) -> datetime | None:
    long = records.text("LONGDATE")
    match = re.match(
        r"(\d{4})/(\d{1,2})/(\d{1,2})(?:[T\s]+(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?)?(?:\s*([+-])(\d\d):?(\d\d))?",
        long,
    )
    if match:
        year, month, day, hour, minute, second, sign, east, part = match.groups()
        zone = None if sign is None else (1 if sign == "+" else -1) * (60 * int(east) + int(part))
        return make_time(int(year), int(month), int(day), int(hour or 0), int(minute or 0), float(second or 0), zone)
    date, clock = records.text("DATE"), records.text("TIME")
    match = re.fullmatch(r"(\d{2}|\d{4})/(\d{1,2})/(\d{1,2})", date)
    if not match:
        if date:
            notes.append(f"the date {date[:30]!r} is not in the form of the standard, so it is not taken")
        return None
    year, month, day = (int(part) for part in match.groups())
    if len(match[1]) == 2:
        year += 1900 if year >= 50 else 2000
    at = re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d+)?))?", clock)
    if not at:  # a day alone is no time; it stays in the metadata
        return None
    return make_time(year, month, day, int(at[1]), int(at[2]), float(at[3] or 0))
