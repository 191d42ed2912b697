"""From the bytes of a file to observations: spectra with their axes, or a refusal that keeps the bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from baro.edge.blocks import GOOD, Axis
from baro.edge.driver import Emission, Refusal, Spectrum
from baro.edge.drivers.files.settings import FilesSettings
from baro.edge.errors import DataDisagreeError, FileTooLargeError, FormatError, FormatUnsupportedError
from baro.edge.formats import Spectra
from baro.edge.formats.mapping import Mapping, read_mapped


class Item:
    """A file that was read: so many observations, the n-th of which can be made again at any time."""

    def __init__(self, settings: FilesSettings, path: str, mtime_ns: int, data: bytes) -> None:
        self._settings, self._path, self._data = settings, path, data
        self._written = datetime.fromtimestamp(mtime_ns // 1_000_000_000, UTC).replace(
            microsecond=mtime_ns % 1_000_000_000 // 1000
        )
        self.lot, self._sample = named(settings.names, path)
        self.reason = ""
        self._spectra: list[Spectra] = []
        try:
            self._spectra = self._read()
        except FormatError as error:
            self.reason = f"{path}: {error.code}: {error}"
        self.count = 1 if self.reason else sum(len(block.values) for block in self._spectra)

    def observations(self, first_seq: int, start: int, end: int) -> Iterator[Emission]:
        """Observations `start` to `end` - 1, numbered from `first_seq` on; each axis before its first spectrum."""
        source = self._settings.source
        if self.reason:
            payload = self._data[: self._settings.keep]
            kept = "" if len(payload) == len(self._data) else f" ({len(payload)} of {len(self._data)} bytes kept)"
            yield Refusal(source, first_seq, self._written, self.lot, self.reason[:2000] + kept, payload)
            return
        number = 0
        for block in self._spectra:
            if number + len(block.values) <= start or number >= end:
                number += len(block.values)
                continue
            axis = self._axis(block)
            yield axis
            for row in range(max(start - number, 0), min(end - number, len(block.values))):
                yield Spectrum(
                    source,
                    first_seq + number + row,
                    self._time(block.times[row]),
                    GOOD,
                    self.lot,
                    self._sample or block.samples[row] or os.path.basename(self._path),
                    axis.digest,
                    block.values[row].astype(np.float32),
                )
            number += len(block.values)

    def _read(self) -> list[Spectra]:
        settings = self._settings
        if len(self._data) > settings.largest:
            raise FileTooLargeError(f"{len(self._data)} bytes; at most {settings.largest} are read here")
        name = os.path.basename(self._path)
        mapping = None if settings.mapping is None else Mapping.from_json(settings.mapping)
        reading = read_mapped(self._data, name, mapping)
        spectra = list(reading.spectra if settings.blocks == "all" else reading.spectra[:1])
        if settings.blocks == "first" and len(reading.spectra) > 1:
            # spectra that share nothing but their kind are all the result: a file of several samples
            first = reading.spectra[0]
            alike = [block for block in reading.spectra if (block.form, block.y_unit) == (first.form, first.y_unit)]
            spectra = alike if len(alike) == len(reading.spectra) else spectra
        for block in spectra:
            _storable(block)
        return spectra

    def _axis(self, block: Spectra) -> Axis:
        return Axis(tuple(float(value) for value in block.axis), block.x_unit or self._settings.x_unit)

    def _time(self, told: datetime | None) -> datetime:
        if told is not None and told.tzinfo is not None:
            return told.astimezone(UTC)
        if told is not None and self._settings.zone:
            return told.replace(tzinfo=ZoneInfo(self._settings.zone)).astimezone(UTC)
        return self._written


def named(pattern: str, path: str) -> tuple[str, str]:
    """Lot and sample as the path tells them, "" where it does not."""
    match = re.search(pattern, path) if pattern else None
    found = match.groupdict() if match else {}
    return (found.get("lot") or "")[:100], (found.get("sample") or "")[:200]


def _storable(block: Spectra) -> None:
    """A spectrum is kept as float32 on an axis that runs in one direction."""
    steps = np.diff(block.axis)
    if block.form == "peaks" or not (bool((steps > 0).all()) or bool((steps < 0).all())):
        raise FormatUnsupportedError("the axis does not run in one direction, so it is no spectrum", block=block.block)
    with np.errstate(over="ignore"):
        if not bool(np.isfinite(block.values.astype(np.float32)).all()):
            raise DataDisagreeError("a value is invalid by the file's own word, or too large", block=block.block)
