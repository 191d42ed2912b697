"""The arithmetic of online prediction, compiled by numba.

Every result is the same to the last bit on every machine, for one spectrum and for a block of any
size. That rests on four habits:

* only + - * / and the square root, which IEEE 754 defines exactly;
* no ``fastmath``: the compiler may neither reorder nor contract (a*b+c in one rounding), so a machine
  with wider registers or fused multiply-add, x86 or ARM, gives the same bits;
* sums run over `LANES` accumulators combined by a fixed tree, which lets the compiler use vector
  registers of any width without changing the order of additions;
* no BLAS, whose order of additions depends on the machine and on the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

LANES = 8
OK, NOT_FINITE, FLAT = 0, 1, 2
# Below float32's own resolution (6e-8 of the level), variation is rounding, not signal.
FLATNESS = 1e-9


def _compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled, cached on disk where a folder for that can be written."""
    try:
        return njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder to keep its cache in
        return njit(error_model="numpy")(function)


@_compiled
def total(values: Any, lanes: Any) -> Any:
    """Sum of `values` (p,) in a fixed order; `lanes` is scratch of LANES numbers."""
    whole = values.size - values.size % LANES
    for lane in range(LANES):
        lanes[lane] = 0.0
    for start in range(0, whole, LANES):
        for lane in range(LANES):
            lanes[lane] += values[start + lane]
    for lane in range(values.size - whole):
        lanes[lane] += values[whole + lane]
    width = LANES // 2
    while width > 0:
        for lane in range(width):
            lanes[lane] += lanes[lane + width]
        width //= 2
    return lanes[0]


@_compiled
def predict(spectra: Any, rows: Any, scalars: Any, taps: Any, ends: Any, work: Any, out: Any, flags: Any) -> Any:
    """Predict spectra (n, p); results go to `out` and `flags`. Returns how many could not be predicted.

    rows: (1 + 2A, p) centre, rotations, loadings. scalars: (3 + 2A,) T² limit, Q limit, y mean,
    y loadings, reciprocal score variances. taps: (h,). ends: (2h, 2h + 1). work: (2, p) scratch;
    afterwards work[0] holds the spectral residual of the last spectrum.
    out: (3 + A, n) value, T², Q, scores. flags: (2, n) status, inside.
    """
    n, p = spectra.shape
    a_count = (rows.shape[0] - 1) // 2
    h = taps.size
    window = 2 * h + 1
    bad = 0
    lanes = np.empty(LANES)
    x = np.empty(p)
    z = work[0]
    product = work[1]
    for i in range(n):
        for j in range(p):
            x[j] = spectra[i, j]
        mean = total(x, lanes) / p
        for j in range(p):
            x[j] -= mean
            product[j] = x[j] * x[j]
        deviation = np.sqrt(total(product, lanes) / p)
        flags[0, i] = OK
        flags[1, i] = 0
        if not np.isfinite(deviation):
            flags[0, i] = NOT_FINITE
        elif deviation <= FLATNESS * abs(mean):
            flags[0, i] = FLAT
        if flags[0, i] != OK:
            bad += 1
            for row in range(out.shape[0]):
                out[row, i] = np.nan
            continue

        # The derivative of a constant is nothing, so SNV's division may follow the filter.
        for j in range(p - 2 * h):
            z[h + j] = taps[0] * (x[h + 1 + j] - x[h - 1 + j])
        for k in range(1, h):
            for j in range(p - 2 * h):
                z[h + j] += taps[k] * (x[h + 1 + k + j] - x[h - 1 - k + j])
        for j in range(h):
            first = 0.0
            last = 0.0
            for k in range(window):
                first += ends[j, k] * x[k]
                last += ends[h + j, k] * x[p - window + k]
            z[j] = first
            z[p - h + j] = last
        for j in range(p):
            z[j] = z[j] / deviation - rows[0, j]

        value = scalars[2]
        t2 = 0.0
        for a in range(a_count):
            for j in range(p):
                product[j] = z[j] * rows[1 + a, j]
            score = total(product, lanes)
            out[3 + a, i] = score
            value += score * scalars[3 + a]
            t2 += score * score * scalars[3 + a_count + a]
        for a in range(a_count):
            score = out[3 + a, i]
            for j in range(p):
                z[j] -= score * rows[1 + a_count + a, j]
        for j in range(p):
            product[j] = z[j] * z[j]
        q = total(product, lanes)
        out[0, i] = value
        out[1, i] = t2
        out[2, i] = q
        if t2 <= scalars[0] and q <= scalars[1]:
            flags[1, i] = 1
    return bad
