"""Figures of whole minutes, packed: what charts of long times are drawn from without reading the samples.

They follow from the samples, and a check computes them again. A cell is a column of one tag: whole numbers as
differences, zigzag, in planes of bytes, zstd.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from baro.historian.aggregate import Floats, Grid, Ints, Series, Spans, spans
from baro.historian.scaling import restored

UNIT = 60_000_000
"""Length of a span, µs."""

CELLS = ("at", "count", "worst", "low", "high", "first", "last", "total")


def minutes(series: Series) -> Spans:
    """The figures of each minute since 1970 (UTC) that holds a sample; `at` counts minutes."""
    if len(series.time) == 0:
        return spans(series, Grid(0, UNIT, 1))
    first, last = int(series.time[0]) // UNIT, int(series.time[-1]) // UNIT
    found = spans(series, Grid(first * UNIT, UNIT, last - first + 1))
    return _moved(found, first)


def packed(found: Spans, scale: int | None) -> dict[str, Any]:
    """The cells of one tag, as a row of the directory. `scale`: decimals of the tag's values, None for doubles."""
    cells: dict[str, Any] = {name: _pack(getattr(found, name).astype(np.int64)) for name in CELLS[:3]}
    some = found.count > 0
    floats = {name: np.where(some, getattr(found, name), 0.0) for name in CELLS[3:]}
    whole = {} if scale is None else _whole(floats, found.count, scale)
    cells |= {name: _pack(column) for name, column in (whole or _bits(floats)).items()}
    return cells | {"minutes": len(found.at), "decimals": scale if whole else None}


def unpacked(row: dict[str, Any], names: tuple[str, ...] = CELLS) -> Spans:
    """The inverse of `packed`, of these cells; others come as NaN. Sums of squares are not kept."""
    n, scale = row["minutes"], row["decimals"]
    at, count, worst = (_unpack(row[name], n) for name in CELLS[:3])
    empty = count == 0
    columns: dict[str, Floats] = {}
    low = _unpack(row["low"], n)
    for name in CELLS[3:]:
        if name not in names and name != "low":
            columns[name] = np.full(n, np.nan)
            continue
        raw = low if name == "low" else _unpack(row[name], n)
        if scale is None:
            values = raw.view(np.float64).copy()
        else:
            values = restored(raw if name == "low" else raw + low * (count if name == "total" else 1), scale)
        values[empty] = np.nan
        columns[name] = values
    nothing = np.full(n, np.nan)
    return Spans(
        at,
        count,
        columns["low"],
        columns["high"],
        columns["total"],
        nothing,
        columns["first"],
        columns["last"],
        worst.astype(np.uint32),
    )


def joined(parts: list[Spans], grid: Grid) -> Spans:
    """Figures of the spans of `grid`, whose edges are whole minutes, out of minutes of several parts in the order of
    time. Sums of squares are lost."""
    whole = [np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS]
    at, count, low, high, total, first, last, worst = whole
    order = np.argsort(at, kind="stable")
    inside = order[slice(*np.searchsorted(at[order], (grid.start // UNIT, grid.edges[-1] // UNIT)).tolist())]
    place = (at[inside] * UNIT - grid.start) // grid.step
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    if len(starts) == 0:
        return spans(Series(place, np.empty(0), np.empty(0, np.uint32)), grid)
    counts = np.add.reduceat(count[inside], starts)
    some = counts > 0
    worst = np.maximum.reduceat(worst[inside], starts)

    def over(reduce: np.ufunc, column: Floats, empty: float) -> Floats:
        held = np.where(count[inside] > 0, column[inside], empty)
        return np.where(some, reduce.reduceat(held, starts), np.nan)

    filled = np.flatnonzero(count[inside] > 0)
    begins = np.searchsorted(filled, starts)
    ends = np.searchsorted(filled, np.append(starts[1:], len(place))) - 1
    firsts, lasts = (np.full(len(starts), np.nan) for _ in range(2))
    firsts[some] = first[inside][filled[begins[some]]]
    lasts[some] = last[inside][filled[ends[some]]]
    return Spans(
        place[starts],
        counts,
        over(np.minimum, low, np.inf),
        over(np.maximum, high, -np.inf),
        over(np.add, total, 0.0),
        np.full(len(starts), np.nan),
        firsts,
        lasts,
        worst,
    )


_FIELDS = ("at", "count", "low", "high", "total", "first", "last", "worst")


def _moved(found: Spans, by: int) -> Spans:
    rest = [getattr(found, name) for name in found.__slots__[1:]]
    return Spans(found.at + by, *rest)


def _whole(floats: dict[str, Floats], count: Ints, scale: int) -> dict[str, Ints]:
    """Everything as whole numbers against the lowest, or nothing when a value is not decimal after all."""
    exact: dict[str, Ints] = {}
    for name in ("low", "high", "first", "last"):
        number = np.rint(floats[name] * 10.0**scale)
        if np.any(np.abs(number) >= 2**53) or np.any(number / 10.0**scale != floats[name]):
            return {}
        exact[name] = number.astype(np.int64)
    total = np.rint(floats["total"] * 10.0**scale)
    if np.any(np.abs(total) >= 2**53):
        return {}
    low = exact["low"]
    above = total.astype(np.int64) - low * count
    return {"low": low, "total": above} | {name: exact[name] - low for name in ("high", "first", "last")}


def _bits(floats: dict[str, Floats]) -> dict[str, Ints]:
    return {name: column.view(np.int64) for name, column in floats.items()}


def _pack(column: Ints) -> bytes:
    steps = np.diff(column, prepend=0)
    zigzag = ((steps << 1) ^ (steps >> 63)).view(np.uint64)
    width = 8
    for fewer in (1, 2, 4):
        if len(zigzag) == 0 or int(zigzag[1:].max(initial=0)) < 1 << (8 * fewer):
            width = fewer
            break
    # the first value is apart: it alone may be large
    head = int(column[0]).to_bytes(8, "little", signed=True) if len(column) else bytes(8)
    planes = zigzag[1:].astype(f"<u{width}").view(np.uint8).reshape(-1, width).T
    body: bytes = pa.compress(np.ascontiguousarray(planes).tobytes(), codec="zstd", asbytes=True)
    return bytes([width]) + head + body


def _unpack(cell: bytes, n: int) -> Ints:
    width = cell[0]
    out = np.empty(n, np.int64)
    if n == 0:
        return out
    out[0] = int.from_bytes(cell[1:9], "little", signed=True)
    body = pa.decompress(cell[9:], decompressed_size=(n - 1) * width, codec="zstd")
    planes = np.frombuffer(body, np.uint8).reshape(width, n - 1)
    zigzag = np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(-1).astype(np.uint64)
    out[1:] = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    return np.cumsum(out, out=out)
