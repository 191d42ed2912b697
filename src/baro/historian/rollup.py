"""Figures of whole minutes, packed: what charts of long times are drawn from without reading the samples.

They follow from the samples, and a check computes them again. A cell is a column of one tag: whole numbers as
differences, zigzag, in planes of bytes, zstd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from baro.historian.aggregate import Floats, Grid, Ints, Series, Spans, spans
from baro.historian.scaling import restored

UNIT = 60_000_000
"""Length of a span, µs."""

DOUBLES = -1
"""Instead of a number of decimals: the bits of the values stand there."""

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


def unpacked(rows: Sequence[Mapping[str, Any]], names: tuple[str, ...] = CELLS) -> Spans:
    """The inverse of `packed`, of a tag's rows of several files, one after the other; only these cells, others come
    as NaN. Sums of squares are not kept."""
    n = np.array([row["minutes"] for row in rows], np.int64)
    at, count, worst = (_unpack([row[name] for row in rows], n) for name in CELLS[:3])
    decimals = np.array([DOUBLES if row["decimals"] is None else row["decimals"] for row in rows])
    scale = decimals[:1] if np.all(decimals == decimals[0]) else np.repeat(decimals, n)
    double = scale == DOUBLES
    low = _unpack([row["low"] for row in rows], n)
    empty = count == 0
    columns: dict[str, Floats] = {}
    for name in CELLS[3:]:
        if name not in names and name != "low":
            columns[name] = np.full(len(at), np.nan)
            continue
        raw = low if name == "low" else _unpack([row[name] for row in rows], n)
        above = raw if name == "low" else raw + low * (count if name == "total" else 1)
        values = restored(above, np.maximum(scale, 0))
        if double.any():
            values = np.where(double, raw.view(np.float64), values)
        values[empty] = np.nan
        columns[name] = values
    return Spans(
        at,
        count,
        columns["low"],
        columns["high"],
        columns["total"],
        np.full(len(at), np.nan),
        columns["first"],
        columns["last"],
        worst.astype(np.uint32),
    )


def joined(parts: list[Spans], grid: Grid) -> Spans:
    """Figures of the spans of `grid`, whose edges are whole minutes, out of minutes of several parts in the order of
    time. Sums of squares are lost."""
    whole = [np.concatenate([getattr(part, name) for part in parts]) for name in _FIELDS]
    at = whole[0]
    if np.any(np.diff(at) < 0):
        order = np.argsort(at, kind="stable")
        whole = [column[order] for column in whole]
    inside = slice(*np.searchsorted(whole[0], (grid.start // UNIT, grid.edges[-1] // UNIT)).tolist())
    at, count, low, high, total, first, last, worst = (column[inside] for column in whole)
    place = (at * UNIT - grid.start) // grid.step
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    if len(starts) == 0:
        return spans(Series(place, np.empty(0), np.empty(0, np.uint32)), grid)
    held = count > 0
    counts = np.add.reduceat(count, starts)
    some = counts > 0
    worst = np.maximum.reduceat(worst, starts)

    def over(reduce: np.ufunc, column: Floats, empty: float) -> Floats:
        return np.where(some, reduce.reduceat(np.where(held, column, empty), starts), np.nan)

    filled = np.flatnonzero(held)
    begins = np.searchsorted(filled, starts)
    ends = np.searchsorted(filled, np.append(starts[1:], len(place))) - 1
    firsts, lasts = (np.full(len(starts), np.nan) for _ in range(2))
    firsts[some] = first[filled[begins[some]]]
    lasts[some] = last[filled[ends[some]]]
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


def _unpack(cells: Sequence[bytes], counts: Ints) -> Ints:
    """The numbers of these cells, one cell after the other. counts: how many each holds."""
    zigzag = np.zeros(int(counts.sum()), np.uint64)
    starts = np.cumsum(counts) - counts
    for cell, first, n in zip(cells, starts.tolist(), counts.tolist(), strict=True):
        if n > 1:
            width = cell[0]
            body = pa.decompress(cell[9:], decompressed_size=(n - 1) * width, codec="zstd")
            planes = np.frombuffer(body, np.uint8).reshape(width, n - 1)
            zigzag[first + 1 : first + n] = np.ascontiguousarray(planes.T).view(f"<u{width}").ravel()
    steps = (zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64)
    some = counts > 0
    heads = starts[some]
    steps[heads] = [
        int.from_bytes(cell[1:9], "little", signed=True) for cell, n in zip(cells, counts, strict=True) if n
    ]
    # one sum over all of them, from which each cell takes off what went before it (integers that run over come back)
    sums = np.cumsum(steps)
    sums -= np.repeat(sums[heads] - steps[heads], counts[some])
    return sums
