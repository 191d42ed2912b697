"""The inner loop of looking at spectra, compiled by numba so that threads run beside each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from baro.science.chemometrics import _chain, _kernels
from baro.science.chemometrics.search._kernels import _compiled

_apply = _chain.apply
LANES = _kernels.LANES


@_compiled
def prepared(x: Any, layout: Any, numbers: Any, begin: Any, end: Any, stride: Any, out: Any, work: Any) -> None:
    """Run a program on every row of x (n, p) float32, and keep of every `stride` of the channels from `begin` to before
    `end` that it leaves the lowest and the highest, in the order in which the ends of the stretch lie; stride 1: all.
    out: (n, m) float32. work: (7, most channels) scratch."""
    lanes = np.empty(LANES)
    row = np.empty(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            row[j] = x[i, j]
        _apply(row, layout, numbers, work[6], work, lanes)
        z = work[6]
        if stride == 1:
            for j in range(begin, end):
                out[i, j - begin] = z[j]
            continue
        for k in range(out.shape[1] // 2):
            first = begin + k * stride
            last = min(first + stride, end) - 1
            low, high = z[first], z[first]
            for j in range(first + 1, last + 1):
                # written so that a value that is no number is kept
                low = z[j] if not z[j] >= low else low
                high = z[j] if not z[j] <= high else high
            rising = z[first] <= z[last]
            out[i, 2 * k] = low if rising else high
            out[i, 2 * k + 1] = high if rising else low
