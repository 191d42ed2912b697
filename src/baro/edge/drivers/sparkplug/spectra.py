"""A metric that holds spectra: its axis, number, lot and sample are other metrics of the same device."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from baro.edge.blocks import Axis
from baro.edge.driver import Emission, LotReport, Refusal, Spectrum
from baro.edge.drivers.sparkplug.settings import SpectrumSettings
from baro.edge.errors import AxisInvalidError
from baro.edge.quality import BAD, GOOD, UNCERTAIN_LAST_USABLE_VALUE
from baro.edge.sparkplug.outputs import Reading
from baro.edge.sparkplug.types import DataSet

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
QUALITIES = {None: GOOD, 192: GOOD, 500: UNCERTAIN_LAST_USABLE_VALUE}


class SpectrumReader:
    """Reads the spectra of one metric. `taken`: the metrics that belong to it, which are no tags of their own."""

    def __init__(self, settings: SpectrumSettings) -> None:
        self.settings = settings
        self.source = settings.source
        self.taken = {settings.metric, settings.axis_metric, settings.number} - {""}
        self._axis: Axis | None = None
        self._announced: Axis | None = None
        self._number: int | None = None
        self._counted = 0
        self._lot = ""
        self._sample = ""
        self._newest: tuple[datetime, bytes] | None = None

    def take(self, readings: Sequence[Reading], at: datetime) -> list[Emission]:
        """What one message tells. Number, lot, sample and axis count for the spectrum of the same message, wherever
        in it they stand."""
        settings = self.settings
        out: list[Emission] = []
        spectra: list[Reading] = []
        for reading in readings:
            if reading.name == settings.metric:
                spectra.append(reading)
            elif reading.name == settings.number and isinstance(reading.value, int):
                self._number = reading.value
            elif reading.name == settings.sample:
                self._sample = reading.value if isinstance(reading.value, str) else ""
            elif reading.name == settings.axis_metric and isinstance(reading.value, np.ndarray):
                self._axis = Axis(tuple(map(float, reading.value)), settings.unit)
            elif settings.lot and reading.name == settings.lot:
                fresh = reading.value if isinstance(reading.value, str) else ""
                if fresh != self._lot:
                    self._lot = fresh
                    out.append(LotReport(self.source, at, fresh))
        for reading in spectra:
            if reading.value is not None or reading.fault:
                self._spectrum(out, reading, at)
        return out

    def _spectrum(self, out: list[Emission], reading: Reading, at: datetime) -> None:
        settings = self.settings
        time = at if reading.time is None else _moment(reading.time, at)
        raw = _raw(reading)
        if self._newest == (time, raw):
            return  # a birth tells the newest value again
        seq = self._number
        try:
            if reading.fault:
                raise AxisInvalidError(reading.fault)
            if settings.number and seq is None:
                raise AxisInvalidError(f"the device told no {settings.number}")
            axis, values = self._read(reading)
        except AxisInvalidError as error:
            out.append(Refusal(self.source, seq if settings.number else None, time, self._lot, str(error), raw))
            return
        if not settings.number:
            self._counted += 1
            seq = self._counted
        self._newest = time, raw
        if axis is not self._announced and axis != self._announced:
            self._announced = axis
            out.append(axis)
        status = QUALITIES.get(reading.quality, BAD)
        out.append(Spectrum(self.source, seq or 0, time, status, self._lot, self._sample, axis.digest, values))

    def _read(self, reading: Reading) -> tuple[Axis, npt.NDArray[np.float32]]:
        """Axis and values. Raises AxisInvalidError when they are none."""
        settings = self.settings
        value = reading.value
        axis = Axis(settings.axis, settings.unit) if settings.axis else self._axis
        try:
            if isinstance(value, DataSet):
                if not value.columns:
                    raise AxisInvalidError("a DataSet without columns")
                values = value.column(settings.y or value.columns[-1])
                if settings.x:
                    axis = Axis(tuple(value.column(settings.x).tolist()), settings.unit)
            elif isinstance(value, np.ndarray):
                values = value
            else:
                raise AxisInvalidError(f"{reading.type.name} is no spectrum")
            with np.errstate(over="ignore"):
                found = np.asarray(values, np.float32)
        except KeyError as error:
            raise AxisInvalidError(f"there is no column {error}") from None
        except (TypeError, ValueError) as error:
            raise AxisInvalidError(f"no numbers: {error}") from None
        if axis is None:
            raise AxisInvalidError("no axis was told")
        steps = np.diff(np.asarray(axis.values))
        if len(axis) < 2 or not ((steps > 0).all() or (steps < 0).all()):
            raise AxisInvalidError("the axis is not strictly monotonic")
        if len(axis) != len(found):
            raise AxisInvalidError(f"{len(found)} values on an axis of {len(axis)}")
        if not np.isfinite(found).all():
            raise AxisInvalidError(f"{np.count_nonzero(~np.isfinite(found))} of {len(found)} values are not finite")
        return axis, found


def _moment(milliseconds: int, otherwise: datetime) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return otherwise


def _raw(reading: Reading) -> bytes:
    value = reading.value
    return value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
