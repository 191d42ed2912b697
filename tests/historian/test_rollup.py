"""Figures of minutes come back out of their cells as they went in, of one file or of several."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from baro.historian.aggregate import Series, Spans
from baro.historian.rollup import CELLS, UNIT, minutes, packed, unpacked

BAD = 0x8000_0000
DECIMAL = st.integers(-(10**6), 10**6).map(lambda n: n / 100)
ANY = st.floats(-1e100, 1e100) | st.sampled_from([np.nan, np.inf, -0.0])


@st.composite
def parts(draw: st.DrawFn) -> tuple[Spans, int | None]:
    """The minutes of a file: of decimal numbers with their scale, or of doubles."""
    scale = draw(st.sampled_from([2, 3, None]))
    n = draw(st.integers(0, 12))
    values = draw(st.lists(ANY if scale is None else DECIMAL, min_size=n, max_size=n))
    times = np.sort(np.array(draw(st.lists(st.integers(0, 400), min_size=n, max_size=n)), np.int64))
    quality = np.array(draw(st.lists(st.sampled_from([0, BAD]), min_size=n, max_size=n)), np.uint32)
    return minutes(Series(times * UNIT // 7, np.array(values, np.float64), quality)), scale


@given(st.lists(parts(), min_size=1, max_size=5), st.sampled_from([("total",), ("first", "high"), CELLS]))
def test_cells_of_several_files_are_the_figures_of_each_in_turn(
    files: list[tuple[Spans, int | None]], names: tuple[str, ...]
) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        found = unpacked([packed(spans, scale) for spans, scale in files], names)
    for name in CELLS:
        whole = np.concatenate([getattr(spans, name) for spans, _ in files])
        if name in CELLS[:3] or name == "low" or name in names:
            np.testing.assert_allclose(getattr(found, name), whole, rtol=1e-12 if name == "total" else 0, err_msg=name)
        else:
            assert np.isnan(getattr(found, name)).all()
