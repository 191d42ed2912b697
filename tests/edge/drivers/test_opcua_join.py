"""Parts of one acquisition arrive in any order, late or never."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest
from asyncua import ua
from edge_peers import NIR, T0

from baro.edge.blocks import Axis
from baro.edge.driver import Emission, LotReport, Refusal, Spectrum
from baro.edge.drivers.opcua.discovery import AxisSource
from baro.edge.drivers.opcua.join import WAITING_FOR_INITIAL_DATA, StreamJoin
from baro.edge.errors import AxisInvalidError

SETTLE = 0.25


def axis(*steps: float, unit: str = "nm", scale: int = 0) -> ua.AxisInformation:
    return ua.AxisInformation(
        EngineeringUnits=ua.EUInformation(DisplayName=ua.LocalizedText(unit)),
        EURange=ua.Range(1.0, 3.0),
        AxisScaleType=ua.AxisScaleEnumeration(scale),
        AxisSteps=list(steps),
    )


def joined() -> StreamJoin:
    join = StreamJoin(NIR, SETTLE, has_lot=True, has_sample=True)
    join.put_axis(axis(1.0, 2.0, 3.0))
    return join


def put(join: StreamJoin, part: str, seq: int, now: float = 0.0) -> None:
    time = T0 + timedelta(seconds=seq)
    if part == "data":
        join.put_data(time, [float(seq)] * 3, 0, now)
    elif part == "counter":
        join.put_counter(time, seq, now)
    elif part == "lot":
        join.lots.put(time, "A", now)
    else:
        join.samples.put(time, f"T{seq}", now)


def spectra(out: list[Emission]) -> list[tuple[int, str, str]]:
    return [(item.seq, item.lot, item.sample) for item in out if isinstance(item, Spectrum)]


@pytest.mark.parametrize("order", list(permutations(("data", "counter", "lot", "sample"))), ids="-".join)
def test_any_order_even_over_several_publishes(order: tuple[str, ...]) -> None:
    join = joined()
    out: list[Emission] = []
    for part in order:
        put(join, part, 1)
        put(join, part, 2)
        out += join.drain(0.01)
    assert spectra(out) == [(1, "A", "T1"), (2, "A", "T2")]


def test_a_spectrum_whose_number_never_comes_is_refused_after_the_wait() -> None:
    join = joined()
    for part in ("lot", "sample", "data"):
        put(join, part, 1)
    assert join.drain(SETTLE / 2) == []
    (refusal,) = join.drain(SETTLE)
    assert isinstance(refusal, Refusal)
    assert (refusal.seq, refusal.reason) == (None, "the device told no number")
    assert len(refusal.payload) == 12


def test_a_number_whose_spectrum_never_comes_is_refused_after_the_wait() -> None:
    join = joined()
    for part in ("lot", "sample", "counter", "data"):
        put(join, part, 1)
    put(join, "counter", 2)
    out = join.drain(0.0) + join.drain(SETTLE)
    assert [item.seq for item in out if isinstance(item, Refusal)] == [2]


def test_a_lot_stamped_only_where_it_changes_holds_on() -> None:
    join = joined()
    for part in ("lot", "sample", "counter", "data"):
        put(join, part, 1)
    for part in ("sample", "counter", "data"):
        put(join, part, 2)
    assert spectra(join.drain(0.0)) == [(1, "A", "T1")]
    assert spectra(join.drain(SETTLE)) == [(2, "A", "T2")]


def test_a_lot_that_ends_without_a_spectrum_is_reported() -> None:
    join = joined()
    for part in ("lot", "sample", "counter", "data"):
        put(join, part, 1)
    ended = T0 + timedelta(seconds=5)
    join.lots.put(ended, "", 0.1)
    assert spectra(join.drain(0.1)) == [(1, "A", "T1")]
    assert join.drain(0.2 + SETTLE) == [LotReport(NIR, ended, "")]


def test_a_device_that_has_measured_nothing_yet_reports_nothing() -> None:
    join = joined()
    join.put_data(T0, None, WAITING_FOR_INITIAL_DATA, 0.0)
    put(join, "counter", 9)
    assert join.drain(SETTLE) == []


def test_without_an_axis_nothing_is_a_spectrum() -> None:
    join = joined()
    join.put_axis(None)
    for part in ("lot", "sample", "counter", "data"):
        put(join, part, 1)
    (refusal,) = join.drain(0.0)
    assert isinstance(refusal, Refusal)
    assert "NoneType" in refusal.reason


def test_an_axis_that_changes_is_announced_with_the_first_spectrum_on_it() -> None:
    join = joined()
    out: list[Emission] = []
    for seq, steps in ((1, (1.0, 2.0, 3.0)), (2, (4.0, 3.0, 2.0))):
        join.put_axis(axis(*steps))
        for part in ("lot", "sample", "counter", "data"):
            put(join, part, seq)
        out += join.drain(0.0)
    axes = [item for item in out if isinstance(item, Axis)]
    assert [item.values for item in axes] == [(1.0, 2.0, 3.0), (4.0, 3.0, 2.0)]
    assert [item.axis for item in out if isinstance(item, Spectrum)] == [item.digest for item in axes]


@pytest.mark.parametrize(
    ("information", "fault"),
    [
        (axis(1.0, 1.0, 2.0), "monotonic"),
        (axis(1.0, 2.0, 3.0, unit=""), "unit"),
        (axis(scale=1), "not linear"),
        (axis(1.0, 2.0), "3 values on an axis of 2"),
        ("nm", "str"),
    ],
    ids=["standing", "no unit", "logarithmic", "short", "text"],
)
def test_axes_that_are_none(information: object, fault: str) -> None:
    with pytest.raises(AxisInvalidError, match=fault):
        AxisSource(information).of(3)
