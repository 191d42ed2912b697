"""Spectra made for the tests: bands of two substances on a sloping baseline, in batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Made:
    axis: Floats
    spectra: Floats
    reference: Floats
    groups: list[str]


def made(count: int = 60, channels: int = 90, size: int = 5, noise: float = 2e-3, seed: int = 7) -> Made:
    """Scatter and baseline of each spectrum are its own; those of a batch differ little."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(1000.0, 1000.0 + 10.0 * (channels - 1), channels)
    at = np.linspace(0.0, 1.0, channels)
    bands = [np.exp(-(((at - centre) / 0.08) ** 2)) for centre in (0.3, 0.55, 0.8)]
    batch = np.arange(count) // size
    of_batch = rng.normal(size=(batch.max() + 1, 3))
    content = rng.uniform(0.5, 1.5, (count, 3))
    spectra = content @ np.array(bands) + 0.3 * rng.normal(size=(count, 1)) + 0.2 * of_batch[batch][:, :1] * at
    spectra = (1.0 + 0.05 * rng.normal(size=(count, 1))) * (spectra + 2.0) + noise * rng.normal(size=(count, channels))
    reference = 100.0 * content[:, 0] + 0.5 * rng.normal(size=count)
    return Made(axis, spectra, reference, [f"B{number}" for number in batch])
