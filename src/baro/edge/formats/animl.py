"""AnIML (ASTM E13.15, core 0.90 and 1.0): every set of series with an independent series.

The set states its length; every series is held against it. Values stand alone, encoded (base64, little-endian) or as a
start with an increment.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats import units, xml
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Floats, Reading, Room, Spectra, hold
from baro.edge.formats.text import iso_time, number

NAME = "animl"
LABEL = "AnIML"
ENCODED = {
    "int32": "<i4", "integer": "<i4", "int64": "<i8", "long": "<i8",
    "float32": "<f4", "float": "<f4", "float64": "<f8", "double": "<f8",
}  # fmt: skip
_AXIS = re.compile(
    r"wave ?(length|number)|frequency|raman ?shift|chemical ?shift|time|m/z|mass|abscissa", re.IGNORECASE
)


def sniff(data: bytes) -> int:
    """By the root element."""
    return CERTAIN if re.search(rb"<(?:\w+:)?AnIML[\s>]", xml.head(data, 4096)) else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    root = xml.parse(data, "AnIML")
    samples = {
        element.get("sampleID", ""): element.get("name", "") or element.get("sampleID", "")
        for element in root.iter()
        if xml.local(element) == "Sample"
    }
    found: list[Spectra] = []
    notes: list[str] = []
    room = Room()
    steps = [
        step
        for group in root
        if xml.local(group) == "ExperimentStepSet"
        for step in group
        if xml.local(step) == "ExperimentStep"
    ]
    for step in steps:
        title = step.get("name", "") or step.get("experimentStepID", "")
        time = _time(step)
        sample = next(
            (
                samples.get(element.get("sampleID", ""), element.get("sampleID", ""))
                for element in step.iter()
                if xml.local(element) == "SampleReference"
            ),
            next(iter(samples.values()), name) if len(samples) == 1 else name,
        )
        for series_set in step.iter():
            if xml.local(series_set) == "SeriesSet":
                found += _set(series_set, f"{title}/{series_set.get('name', '')}", sample, time, notes, room)
    if not found:
        raise FormatUnsupportedError("; ".join(["no set of series that is a spectrum", *notes[:3]]), block="AnIML")
    version = root.get("version", "") or (root.tag.rpartition(":")[2].partition("}")[0] if "}" in root.tag else "")
    return Reading(NAME, version or "?", tuple(found), notes=tuple(notes))


def _time(step: Element) -> datetime | None:
    return next((iso_time(element.text or "") for element in step.iter() if xml.local(element) == "Timestamp"), None)


def _set(
    element: Element, block: str, sample: str, time: datetime | None, notes: list[str], room: Room
) -> list[Spectra]:
    series = [child for child in element if xml.local(child) == "Series"]
    length = number(element.get("length", ""))
    if length is None or length != int(length) or length < 1:
        raise FileDamagedError(f"a length of {element.get('length')!r}", block=block)
    room.take(max(len(series), 1) * length, block=block)
    numeric = [one for one in series if (one.get("seriesType") or "").lower() in ENCODED]
    if len(numeric) < len(series):
        notes.append(f"{block}: series that are no numbers are not read")
    independent = [one for one in numeric if one.get("dependency") == "independent"]
    independent = independent or [one for one in numeric if _AXIS.search(one.get("name", ""))][:1]
    if len(independent) != 1 or len(numeric) < 2:
        notes.append(f"{block}: {len(independent)} independent series, so it is no spectrum")
        return []
    axis, checks = _values(independent[0], int(length), f"{block}/{independent[0].get('name', '')}")
    found = []
    for one in numeric:
        if one is independent[0]:
            continue
        place = f"{block}/{one.get('name', '')}"
        values, more = _values(one, int(length), place)
        x_unit, label = _unit(independent[0]), _unit(one)
        kind = "series" if re.search(r"\btime\b", independent[0].get("name", ""), re.IGNORECASE) else "spectrum"
        found.append(
            Spectra(
                place,
                axis,
                values[None, :],
                units.x_unit(x_unit),
                units.y_unit(label if label not in ("", "1", "AU") else one.get("name", "")),
                kind,
                (sample,),
                (time,),
                {},
                (*checks, *more),
            )
        )
    return found


def _unit(series: Element) -> str:
    return next((child.get("label", "") for child in series if xml.local(child) == "Unit"), "")


def _values(series: Element, length: int, block: str) -> tuple[Floats, tuple[Check, ...]]:
    parts: list[Floats] = []
    total = 0
    for child in series:
        kind = xml.local(child)
        if kind == "IndividualValueSet":
            part = np.array([_number(value, block) for value in child])
        elif kind == "EncodedValueSet":
            part = _encoded(child, series.get("seriesType", ""), block)
        elif kind == "AutoIncrementedValueSet":
            part = _counted(child, length - total, block)
        else:
            continue
        first, last = number(child.get("startIndex", "")), number(child.get("endIndex", ""))
        if first is not None:  # a gap or an overlap is not filled
            hold([Check("startIndex", first, total)], block=block)
        if first is not None and last is not None:
            hold([Check("startIndex to endIndex", last - first + 1, part.size)], block=block)
        total += part.size
        if total > length:
            hold([Check("length", length, total)], block=block)
        parts.append(part)
    return np.concatenate(parts) if parts else np.empty(0), hold([Check("length", length, total)], block=block)


def _number(element: Element, block: str) -> float:
    value = number(element.text or "")
    if value is None:
        raise FileDamagedError(f"{(element.text or '')[:40]!r} is no number", block=block)
    return value


def _encoded(element: Element, kind: str, block: str) -> Floats:
    try:
        raw = base64.b64decode("".join((element.text or "").split()), validate=True)
        values = np.frombuffer(raw, ENCODED[kind.lower()]).astype(np.float64)
    except (binascii.Error, ValueError) as error:
        raise FileDamagedError(f"encoded values: {error}", block=block) from error
    if not bool(np.isfinite(values).all()):
        raise FileDamagedError("an encoded value is not a finite number", block=block)
    return values


def _counted(element: Element, count: int, block: str) -> Floats:
    parts = {xml.local(child): child for child in element}
    if not {"StartValue", "Increment"} <= set(parts) or not len(parts["StartValue"]) or not len(parts["Increment"]):
        raise FileDamagedError("a start or an increment is missing", block=block)
    start, step = _number(parts["StartValue"][0], block), _number(parts["Increment"][0], block)
    first, last = number(element.get("startIndex", "")), number(element.get("endIndex", ""))
    if first is not None and last is not None and 0 <= last - first < count:
        count = int(last - first) + 1
    return start + step * np.arange(count, dtype=np.float64)
