"""Spectra of a data set as a picture needs them: preprocessed, thinned, with a map of their scores.

What a screen of some thousand points cannot show is not sent. All spectra are computed, some at a time: in an order in
which every beginning covers the whole set, as many as fit into `SECONDS`, so that the page shows the first ones while
the rest is on its way.
"""

from __future__ import annotations

import json
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import gcd
from threading import Lock
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from baro.apps.pat.errors import RecipeInvalid
from baro.apps.pat.models import DataSet
from baro.apps.pat.reasons import reason_words
from baro.apps.pat.samples import Samples, load
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import STEPS, Recipe
from baro.science.chemometrics.thinning import Floats32, places, prepared, program_of
from baro.science.errors import ScienceError

MOST_VALUES, MOST_POINTS, LEAST_POINTS = 4_000_000, 1000, 120
ROWS_AT_ONCE = 25
SECONDS = 0.4
FIT_MOST, MAP_FROM = 500, 100
MAP_CHANNELS = 100
KEPT_SETS = 512 << 20
"""Bytes of spectra that are kept in memory for the next look; the last set looked at is always."""
KEPT_LOOKS = 12
THREADS = min(4, os.cpu_count() or 1)
LEVELS = 65534
"""Steps between the lowest and the highest value of a spectrum, far more than a screen has; one more is no number."""


@dataclass(frozen=True, eq=False)
class View:
    """Some of the spectra: those of the places `first`, first + 1, … in an order in which place k is row k * step
    modulo `of`.

    axis: (q,) places of the points that are left. values: (k, q) float32. stride: so many channels stand in each
    pair of points, their lowest and their highest; 1: every channel is there. scores: (k, 2), None in a closer look at
    a part of the axis; share of the variance.
    """

    axis: npt.NDArray[np.float64]
    values: Floats32
    stride: int
    scores: Floats32 | None
    share: tuple[float, float]
    first: int
    of: int
    step: int

    @property
    def next(self) -> int | None:
        """Where the next part begins; None after the last."""
        end = self.first + len(self.values)
        return end if end < self.of else None

    def to_bytes(self) -> bytes:
        """Length of the head (uint32), the head as JSON filled up to a multiple of four; then of all spectra the lowest
        and the highest value, the scores if there are any (float32), and the points (uint16): 0 to 65,534 from the
        lowest to the highest, 65,535 for no number. All little-endian."""
        head = {
            "rows": len(self.values),
            "first": self.first,
            "of": self.of,
            "next": self.next,
            "step": self.step,
            "points": len(self.axis),
            "axis": [float(f"{x:.8g}") for x in self.axis],
            "stride": self.stride,
            "share": [round(one, 4) for one in self.share],
            "mapped": self.scores is not None,
        }
        told = json.dumps(head).encode()
        told += b" " * (-len(told) % 4)
        ends, points = _levels(self.values)
        scores = b"" if self.scores is None else self.scores.astype("<f4").tobytes()
        return len(told).to_bytes(4, "little") + told + ends.tobytes() + scores + points.tobytes()


def _levels(values: Floats32) -> tuple[Floats32, npt.NDArray[np.uint16]]:
    """Lowest and highest value (k, 2) of spectra (k, q), and each value as one of `LEVELS` steps between them."""
    fine = np.isfinite(values)
    sound = bool(fine.all())
    low = (values if sound else np.where(fine, values, np.inf)).min(axis=1, keepdims=True)
    high = (values if sound else np.where(fine, values, -np.inf)).max(axis=1, keepdims=True)
    empty = ~(low <= high)
    low, high = np.where(empty, 0.0, low).astype("<f4"), np.where(empty, 0.0, high).astype("<f4")
    spread = np.where(high > low, high - low, 1.0)
    steps = np.nan_to_num((values - low) / spread, nan=0.0, posinf=0.0, neginf=0.0) * LEVELS + 0.5
    points = steps.astype("<u2")
    if not sound:
        points[~fine] = LEVELS + 1
    return np.hstack([low, high]), points


@dataclass(eq=False)
class Look:
    """Some preprocessing of a data set of `count` spectra. program: None for raw ones. axis: (q,) of what it leaves."""

    count: int
    program: Program | None
    axis: npt.NDArray[np.float64]
    most: int = MOST_VALUES
    _map: _Map | None = None

    @property
    def step(self) -> int:
        """How far apart in the set two neighbours in the order are: about a golden section of it, so that any number
        of spectra is spread evenly over the set."""
        return order_step(self.count)

    def part(
        self, samples: Samples, first: int = 0, seconds: float = SECONDS, closer: tuple[float, float] | None = None
    ) -> View:
        """As many spectra from the place `first` on as `seconds` allow, but some. closer: only the part of the axis
        between two places, with more points. Raises RecipeInvalid for a place beyond."""
        if not 0 <= first < self.count:
            raise RecipeInvalid(detail=_("spectrum %(first)s of %(count)s") % {"first": first, "count": self.count})
        begin, end = self._within(closer)
        stride = self._stride(end - begin)
        until = time.monotonic() + seconds
        parts: list[Floats32] = []
        at = first
        with ThreadPoolExecutor(THREADS) as pool:
            while at < self.count and (not parts or time.monotonic() < until):
                starts = range(at, min(self.count, at + 2 * THREADS * ROWS_AT_ONCE), ROWS_AT_ONCE)
                parts += pool.map(lambda at: self._block(samples, at, ROWS_AT_ONCE, stride, begin, end), starts)
                at = min(self.count, starts[-1] + ROWS_AT_ONCE)
        values = np.concatenate(parts)
        where = places(self.axis[begin:end], stride)
        if closer is not None:
            return View(where, values, stride, None, (0.0, 0.0), first, self.count, self.step)
        if self._map is None:
            known = first == 0 and len(values) >= min(self.count, MAP_FROM)
            self._map = _Map.of(values[:MAP_FROM] if known else self._block(samples, 0, MAP_FROM, stride, begin, end))
        scores, share = self._map.scores(values), self._map.share
        return View(where, values, stride, scores, share, first, self.count, self.step)

    def _block(self, samples: Samples, first: int, count: int, stride: int, begin: int, end: int) -> Floats32:
        rows = np.arange(first, min(self.count, first + count), dtype=np.int64) * self.step % self.count
        return prepared(self.program, samples.spectra[rows], stride, begin, end)

    def _stride(self, channels: int) -> int:
        """How many channels become two points."""
        points = int(np.clip(self.most // max(1, self.count), LEAST_POINTS, MOST_POINTS))
        return max(1, -(-2 * channels // points)) if channels > points else 1

    def _within(self, closer: tuple[float, float] | None) -> tuple[int, int]:
        """Channels between two places, and one more at either end, so that lines reach the edge of the chart."""
        if closer is None:
            return 0, self.axis.size
        inside = np.flatnonzero((self.axis >= min(closer)) & (self.axis <= max(closer)))
        if not inside.size:
            raise RecipeInvalid(
                detail=_("no channel lies between %(low)s and %(high)s")
                % dict(zip(("low", "high"), closer, strict=True))
            )
        return max(0, int(inside[0]) - 1), min(self.axis.size, int(inside[-1]) + 2)


@dataclass(frozen=True, eq=False)
class _Map:
    """The two directions (m, 2) in which spectra differ most, from their mean (m,), and their shares of the variance.
    It is made of the first spectra of the order, whoever asks for which part."""

    centre: npt.NDArray[np.float64]
    directions: npt.NDArray[np.float64]
    share: tuple[float, float]

    @classmethod
    def of(cls, values: Floats32) -> Self:
        picked = _picked(values)
        picked = picked[np.isfinite(picked).all(axis=1)]
        centre = picked.mean(axis=0) if len(picked) else np.zeros(picked.shape[1])
        size, directions = np.linalg.eigh((picked - centre).T @ (picked - centre))
        best = directions[:, ::-1][:, :2]
        best = best * np.where(np.sum(best, axis=0) < 0, -1.0, 1.0)
        total = float(size.sum())
        known = total > 0 and size.size > 1
        return cls(centre, best, (float(size[-1]) / total, float(size[-2]) / total) if known else (0.0, 0.0))

    def scores(self, values: Floats32) -> Floats32:
        """(k, 2) of spectra (k, q)."""
        found: Floats32 = ((_picked(values) - self.centre) @ self.directions).astype(np.float32)
        return found


def _picked(values: Floats32) -> npt.NDArray[np.float64]:
    return values[:, :: max(1, values.shape[1] // MAP_CHANNELS)].astype(np.float64)


K = TypeVar("K")
V = TypeVar("V")


class _Kept(Generic[K, V]):
    """The last results of a slow function, as many as fit into a bound; who asks for the same meanwhile waits."""

    def __init__(self, size: Callable[[V], int], most: int) -> None:
        self._size, self._most = size, most
        self._found: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, Lock] = {}
        self._lock = Lock()

    def get(self, key: K, make: Callable[[], V]) -> V:
        with self._lock:
            mine = self._making.setdefault(key, Lock())
        with mine:
            with self._lock:
                if key in self._found:
                    self._found.move_to_end(key)
                    return self._found[key]
            try:
                made = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                self._found[key] = made
                while len(self._found) > 1 and sum(map(self._size, self._found.values())) > self._most:
                    self._found.popitem(last=False)
            return made


# what a digest names never changes; without the company in the key one plant would see that another has the same set
_sets = _Kept[tuple[Any, ...], Samples](lambda samples: samples.spectra.nbytes, KEPT_SETS)
_looks = _Kept[tuple[Any, ...], Look](lambda look: 1, KEPT_LOOKS)


def samples_of(data_set: DataSet) -> Samples:
    """The rows of a data set. The last ones are kept."""
    key = (data_set.company_id, data_set.id, data_set.digest)
    return _sets.get(key, lambda: load(data_set))


def look_of(data_set: DataSet, steps: Sequence[Mapping[str, Any]]) -> Look:
    """The look at a data set after preprocessing. The last ones are kept. Raises RecipeInvalid."""
    key = (data_set.company_id, data_set.id, data_set.digest, json.dumps(steps, sort_keys=True))
    return _looks.get(key, lambda: look(samples_of(data_set), steps))


def look(samples: Samples, steps: Sequence[Mapping[str, Any]], most: int = MOST_VALUES) -> Look:
    """The spectra after preprocessing by `steps` as of a recipe, none for raw ones. Raises RecipeInvalid.

    What learns from spectra learns here from all of them, evenly chosen up to 500. What learns from reference values is
    refused: the explorer shows test sets too.
    """
    count = len(samples)
    try:
        recipe = Recipe.parse([*steps, {"step": "pls", "components": 1}])
        if seeing := next((one for one in recipe.preprocessing if STEPS[one.name].supervised), None):
            raise RecipeInvalid(detail=_("%(step)s looks at the reference values") % {"step": seeing})
        program = None
        if recipe.preprocessing:
            some = samples.spectra[np.arange(min(count, FIT_MOST), dtype=np.int64) * order_step(count) % count]
            program = program_of(recipe.preprocessing, samples.axis, some)
    except (ScienceError, ValueError, TypeError) as error:
        raise RecipeInvalid(detail=reason_words(error)) from error
    axis = samples.axis if program is None else samples.axis[program.kept]
    return Look(count, program, axis, most)


@cache
def order_step(count: int) -> int:
    """A whole number near count times the golden section that has no factor in common with count."""
    step = max(1, round(0.6180339887 * count))
    while gcd(step, count) != 1:
        step += 1
    return step
