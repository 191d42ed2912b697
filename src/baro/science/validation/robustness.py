"""How far small faults of an instrument move the results (ICH Q2(R2), Q14: robustness)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NOISE, SHIFT, OFFSET, SCALE, SLOPE = "noise", "shift", "offset", "scale", "slope"
FAULTS: tuple[tuple[str, float], ...] = (
    (NOISE, 0.001),
    (NOISE, 0.003),
    (SHIFT, -0.5),
    (SHIFT, 0.5),
    (OFFSET, 0.01),
    (SCALE, 0.01),
    (SLOPE, 0.01),
)
"""Faults that are tried: the standard deviation of white noise, an offset, a tilt from end to end (all as shares of
the mean spectrum's span), a shift in channels, a change of scale as a share."""


def robustness(
    predict: Callable[[Floats], Floats], spectra: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int
) -> list[dict[str, Any]]:
    """Predict the same n spectra (n, p) with each of `FAULTS` laid on them.

    predict: (n, p) to (n,), NaN where it gives no value. Of each fault: rmsep, change of the mean result (bias_change,
    in the unit), largest change of one result (worst), rise of RMSEP in % (rise; None when it was zero) and how many
    spectra gave no value any more (lost).
    """
    clean, known = np.asarray(spectra, np.float64), np.asarray(reference, np.float64)
    rng = np.random.default_rng(seed)
    before = predict(clean)
    sound = np.isfinite(before)
    base = float(np.sqrt(np.mean((before[sound] - known[sound]) ** 2))) if sound.any() else 0.0
    span = float(np.ptp(clean.mean(axis=0)))
    rows = []
    for kind, amount in FAULTS:
        after = predict(_faulty(clean, kind, amount, span, rng))
        both = sound & np.isfinite(after)
        row: dict[str, Any] = {"fault": kind, "amount": amount, "lost": int(np.count_nonzero(sound & ~both))}
        if both.any():
            change = after[both] - before[both]
            rmsep = float(np.sqrt(np.mean((after[both] - known[both]) ** 2)))
            row |= {
                "rmsep": rmsep,
                "bias_change": float(change.mean()),
                "worst": float(np.max(np.abs(change))),
                "rise": 100.0 * (rmsep / base - 1.0) if base > 0.0 else None,
            }
        else:
            row |= {"rmsep": None, "bias_change": None, "worst": None, "rise": None}
        rows.append(row)
    return rows


def _faulty(clean: Floats, kind: str, amount: float, span: float, rng: np.random.Generator) -> Floats:
    channels = np.arange(clean.shape[1], dtype=np.float64)
    if kind == NOISE:
        return np.add(clean, rng.normal(0.0, amount * span, clean.shape))
    if kind == SHIFT:
        # The ends repeat the outermost value: half a channel is not worth extrapolating.
        return np.stack([np.interp(channels - amount, channels, row) for row in clean])
    if kind == SCALE:
        return np.multiply(clean, 1.0 + amount)
    tilt = channels / max(float(channels[-1]), 1.0) - 0.5 if kind == SLOPE else 1.0
    return np.add(clean, amount * span * tilt)
