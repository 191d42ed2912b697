"""Decimal numbers as whole ones: what instruments send has a few decimals, and differences of integers pack best.

A value is stored as ``number / 10**scale`` only if that division gives the very same bits back. Anything else
(NaN, infinities, minus zero, values with all their digits) stays a double.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MOST = 9
"""Most decimals that are tried."""

_EXACT = 2**53  # integers below it are doubles without rounding
_TRIED = 512


def scaled(
    value: npt.NDArray[np.float64],
) -> tuple[int, npt.NDArray[np.int64], npt.NDArray[np.bool_]] | None:
    """(scale, numbers, which of the values they give back), or None when most values are no decimal numbers.

    value: (n,). The scale is the least that serves a sample of them best.
    """
    if len(value) == 0:
        return None
    few = value[:: max(1, len(value) // _TRIED)]
    best, kept = 0, -1
    for scale in range(MOST + 1):
        fits = int(_numbers(few, scale)[1].sum())
        if fits > kept:
            best, kept = scale, fits
        if fits == len(few):
            break
    number, exact = _numbers(value, best)
    return (best, number, exact) if exact.mean() >= 0.5 else None


def restored(number: npt.NDArray[np.int64], scale: npt.NDArray[np.int8] | int) -> npt.NDArray[np.float64]:
    """The values of `scaled`, to the bit: a division by a power of ten up to 22 is correctly rounded."""
    out: npt.NDArray[np.float64] = number / 10.0 ** np.asarray(scale, np.float64)
    return out


def _numbers(value: npt.NDArray[np.float64], scale: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    with np.errstate(invalid="ignore", over="ignore"):
        product = np.rint(value * 10.0**scale)
        small = np.abs(product) < _EXACT  # False for what is no finite number
        number = np.where(small, product, 0).astype(np.int64)
    back = number / 10.0**scale
    return number, small & (back.view(np.int64) == np.ascontiguousarray(value).view(np.int64))
