"""ASD (FieldSpec, LabSpec): versions 1 to 8 of the Indico format, spectrum and white reference.

Source: ASD Inc., "Indico Version 8 File Format". The number of channels is held against the size of the file.
"""

from __future__ import annotations

import re

import numpy as np

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.registry import CERTAIN, LIKELY, NO
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded, hold
from baro.edge.formats.text import cstring, make_time

NAME = "asd"
LABEL = "ASD"
HEADER = 484
TYPES = ("counts", "reflectance", "radiance", "", "irradiance", "quality index", "transmittance", "", "absorbance")
FORMS = {0: "<f4", 1: "<i4", 2: "<f8"}
INSTRUMENTS = ("", "PSII", "LSVNIR", "FSVNIR", "FSFR", "FSNIR", "CHEM", "FSFR unattended", "", "HandHeld")


def sniff(data: bytes) -> int:
    """By the mark: ``ASD`` of the first version, ``as2`` to ``as8``."""
    if re.match(rb"as[2-8][\s\S]", data[:4]):
        return CERTAIN
    # the first version's mark is a word as well: its numbers must make sense
    old = data.startswith(b"ASD") and len(data) > HEADER and data[199] in FORMS and data[186] < len(TYPES)
    return LIKELY if old and b"\0" in data[:HEADER] else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    cursor = Cursor(data, "header")
    cursor.take(0, HEADER)
    mark = cursor.take(0, 3).decode("latin-1")
    kind, first, step, form = cursor.unpack("<B4xffB", 186)
    channels = cursor.one("<H", 204)
    if form not in FORMS:
        raise FormatUnsupportedError(f"numbers of the form {form}", block="header", offset=199)
    if not channels or not step or not np.isfinite([first, step]).all():
        raise FileDamagedError(f"{channels} channels from {first} by {step}", block="header", offset=191)
    bounded(1, channels, block="header", offset=204)
    axis = float(first) + float(step) * np.arange(channels, dtype=np.float64)
    width = np.dtype(FORMS[form]).itemsize
    if HEADER + channels * width > len(data):
        hold([Check("channels", channels, (len(data) - HEADER) // width)], block="spectrum", offset=HEADER)
    values = _finite(cursor.named("spectrum").floats(FORMS[form], HEADER, channels), "spectrum", HEADER)
    checks = [Check("channels", channels, values.size)]
    second, minute, hour, day, month, year = cursor.unpack("<6H", 160)
    time = make_time(1900 + year, month + 1, day, hour, minute, second)
    instrument, serial = cursor.one("B", 431), cursor.one("<H", 400)
    metadata = {
        "comment": cstring(cursor.take(3, 157)),
        "instrument": f"{INSTRUMENTS[instrument] if instrument < len(INSTRUMENTS) else instrument} {serial}".strip(),
        "integration time ms": str(cursor.one("<I", 390)),
        "dark current corrected": "yes" if cursor.one("B", 181) else "no",
        "data type": TYPES[kind] if kind < len(TYPES) else str(kind),
    }
    notes: list[str] = []

    def block(title: str, numbers: Floats, y: str) -> Spectra:
        return Spectra(title, axis, numbers[None, :], "nm", y, samples=(name,), times=(time,), checks=tuple(checks))

    found = []
    reference = _reference(cursor.named("reference"), HEADER + channels * width, channels, metadata, mark)
    if kind == 1 and reference is not None and bool((reference != 0).all()):
        # the file keeps counts of sample and white reference; its reflectance is their ratio
        found.append(block("reflectance", values / reference, "reflectance"))
    if reference is not None or kind == 0:
        unit = "counts"
    elif kind in (1, 6, 8):
        unit = TYPES[kind]
    else:
        unit = ""
        notes.append(f"of the type {metadata['data type'] or kind}, which programs compute from the counts in the file")
    found.append(block("spectrum", values, unit))
    if reference is not None:
        found.append(block("reference", reference, "counts"))
    return Reading(NAME, mark, tuple(found), {key: value for key, value in metadata.items() if value}, tuple(notes))


def _reference(cursor: Cursor, place: int, channels: int, metadata: dict[str, str], mark: str) -> Floats | None:
    """The white reference follows the spectrum from version 2 on, when one was taken."""
    if mark == "ASD" or place + 20 > len(cursor.data):
        return None
    taken, length = cursor.one("<h", place), cursor.one("<H", place + 18)
    if not taken:
        return None
    metadata["reference description"] = cstring(cursor.take(place + 20, length))[:500]
    start = place + 20 + length
    if start + 8 * channels > len(cursor.data):
        hold([Check("channels", channels, (len(cursor.data) - start) // 8)], block="reference", offset=start)
    return _finite(cursor.floats("<f8", start, channels), "reference", start)


def _finite(values: Floats, block: str, offset: int) -> Floats:
    if not bool(np.isfinite(values).all()):
        raise FileDamagedError("a value is not a finite number", block=block, offset=offset)
    return values
