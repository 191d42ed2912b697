"""Spectra of a data set as a picture needs them: preprocessed, thinned, with a map of their scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from baro.apps.pat.errors import RecipeInvalid
from baro.apps.pat.models import DataSet
from baro.apps.pat.samples import Samples, load
from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.recipe import Recipe
from baro.science.errors import ScienceError

MOST_VALUES, MOST_POINTS, LEAST_POINTS = 3_000_000, 1000, 120
ROWS_AT_ONCE = 500
FIT_MOST = 2000
MAP_CHANNELS = 100

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class View:
    """axis: (q,) places of the points that are left. values: (n, q) float32. stride: so many channels stand in each
    pair of points, their lowest and their highest; 1: every channel is there. scores: (n, 2); share of the variance."""

    axis: npt.NDArray[np.float64]
    values: Floats32
    stride: int
    scores: Floats32
    share: tuple[float, float]

    def to_bytes(self) -> bytes:
        """Length of the head (uint32), the head as JSON filled up to a multiple of four, values, scores (float32), all
        little-endian."""
        head = {
            "rows": len(self.values),
            "points": len(self.axis),
            "axis": [float(f"{x:.8g}") for x in self.axis],
            "stride": self.stride,
            "share": [round(one, 4) for one in self.share],
        }
        told = json.dumps(head).encode()
        told += b" " * (-len(told) % 4)
        body = np.ascontiguousarray(self.values, "<f4").tobytes() + np.ascontiguousarray(self.scores, "<f4").tobytes()
        return len(told).to_bytes(4, "little") + told + body


def samples_of(data_set: DataSet) -> Samples:
    """The rows of a data set. The last ones are kept: what a digest names never changes."""
    return _samples(data_set.company_id, data_set.id, data_set.digest)


@lru_cache(maxsize=2)
def _samples(company: UUID, key: UUID, digest: str) -> Samples:
    return load(DataSet.objects.get(id=key))


def look(samples: Samples, steps: Sequence[Mapping[str, Any]], most: int = MOST_VALUES) -> View:
    """The spectra after preprocessing by `steps` as of a recipe, none for raw ones. Raises RecipeInvalid.

    What learns from spectra learns here from all of them, evenly chosen up to 2,000.
    """
    count = len(samples)
    try:
        recipe = Recipe.parse([*steps, {"step": "pls", "components": 1}])
        program = None
        if recipe.preprocessing:
            pipeline = recipe.pipeline(samples.axis)
            some = samples.spectra[:: max(1, count // FIT_MOST)].astype(np.float64)
            pipeline[:-1].fit(some)
            program = compile_steps(pipeline, samples.axis.size)
    except (ScienceError, ValueError, TypeError) as error:
        raise RecipeInvalid(detail=str(error).rstrip(".")) from error
    axis = samples.axis if program is None else samples.axis[program.kept]
    points = int(np.clip(most // max(1, count), LEAST_POINTS, MOST_POINTS))
    stride = max(1, -(-2 * axis.size // points)) if axis.size > points else 1
    parts = []
    for first in range(0, count, ROWS_AT_ONCE):
        part = samples.spectra[first : first + ROWS_AT_ONCE]
        made = part if program is None else program.apply(part).astype(np.float32)
        parts.append(thin(made, stride))
    values = np.concatenate(parts)
    scores, share = _map(values)
    return View(_places(axis, stride), values, stride, scores, share)


def thin(values: Floats32, stride: int) -> Floats32:
    """The lowest and the highest value of every `stride` channels (n, 2·ceil(p/stride)), so that bands survive."""
    if stride == 1:
        return values
    starts = np.arange(0, values.shape[1], stride)
    low, high = np.minimum.reduceat(values, starts, axis=1), np.maximum.reduceat(values, starts, axis=1)
    rising = values[:, starts] <= values[:, np.minimum(starts + stride - 1, values.shape[1] - 1)]
    out = np.empty((len(values), 2 * starts.size), dtype=np.float32)
    out[:, 0::2], out[:, 1::2] = np.where(rising, low, high), np.where(rising, high, low)
    return out


def _places(axis: npt.NDArray[np.float64], stride: int) -> npt.NDArray[np.float64]:
    if stride == 1:
        return axis
    starts = np.arange(0, axis.size, stride)
    ends = np.minimum(starts + stride - 1, axis.size - 1)
    return np.column_stack([axis[starts], (axis[starts] + axis[ends]) / 2]).ravel()


def _map(values: Floats32) -> tuple[Floats32, tuple[float, float]]:
    """Scores (n, 2) on the two directions in which the spectra differ most, and their shares of the variance."""
    some = values[:, :: max(1, values.shape[1] // MAP_CHANNELS)].astype(np.float64)
    centred = some - some.mean(axis=0)
    size, directions = np.linalg.eigh(centred.T @ centred)
    best = directions[:, ::-1][:, :2]
    best = best * np.where(np.sum(best, axis=0) < 0, -1.0, 1.0)
    total = float(size.sum())
    share = (float(size[-1]) / total, float(size[-2]) / total) if total > 0 and size.size > 1 else (0.0, 0.0)
    return (centred @ best).astype(np.float32), share
