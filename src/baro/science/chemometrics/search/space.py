"""What is searched: regions of the axis times chains of preprocessing, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.building import build
from baro.science.chemometrics.recipe import STEPS, Recipe, Step
from baro.science.errors import RecipeError, SearchError

FOLDS, REPEATS, COMPONENTS = 10, 1, 20
_BOUNDS = {"components": (1, 60), "folds": (3, 100), "repeats": (1, 50)}
MOST_CANDIDATES = 100_000
Ranges = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to preprocess; how many latent variables follow is found out. number: its place in the space."""

    number: int
    recipe: Recipe

    @property
    def learned(self) -> int:
        """How many steps estimate something from the spectra they are fitted to."""
        return sum(STEPS[step.name].learns for step in self.recipe.preprocessing)


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Every region with every chain, 1 to `components` latent variables, by `folds` folds `repeats` times.

    regions: None is the whole axis, else ranges (low, high) in the unit of the axis. chains: preprocessing steps in
    their order, without regions and regression.
    """

    regions: tuple[Ranges | None, ...]
    chains: tuple[tuple[Step, ...], ...]
    components: int = COMPONENTS
    folds: int = FOLDS
    repeats: int = REPEATS

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self:
        """From JSON: `regions` (null or lists of pairs), `chains` (lists of steps), `components`, `folds`, `repeats`.

        Raises SearchError, which says what is missing or out of range, and RecipeError for a step.
        """
        if not isinstance(told, Mapping):
            raise SearchError.because("space_no_object")
        if unknown := told.keys() - {"regions", "chains", *_BOUNDS}:
            raise SearchError.because("space_unknown", parameters=", ".join(sorted(unknown)))
        numbers: dict[str, int] = {}
        for name, (low, high) in _BOUNDS.items():
            value = told.get(name, {"components": COMPONENTS, "folds": FOLDS, "repeats": REPEATS}[name])
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise SearchError.because("space_number", parameter=name, low=low, high=high, value=repr(value))
            numbers[name] = value
        regions = tuple(_region(one) for one in _list(told.get("regions", [None]), "regions"))
        chains = tuple(_chain(one) for one in _list(told.get("chains"), "chains"))
        if len(regions) * len(chains) > MOST_CANDIDATES:
            count = f"{len(regions) * len(chains):,}"
            raise SearchError.because("candidates_many", count=count, most=f"{MOST_CANDIDATES:,}")
        return cls(regions, chains, **numbers)

    @classmethod
    def standard(
        cls,
        axis: npt.ArrayLike,
        *,
        raman: bool = False,
        selection: bool = False,
        components: int = COMPONENTS,
        folds: int = FOLDS,
        repeats: int = REPEATS,
    ) -> Self:
        """More than 200 candidates that are usual for near-infrared spectra on `axis` (p,); for Raman with baselines.
        selection: some more, in which channels are chosen by VIP and iPLS within each fold.

        Raises SearchError for an axis of fewer than three channels.
        """
        values = np.sort(np.asarray(axis, dtype=np.float64))
        if values.size < 3:
            raise SearchError.because("axis_short", count=values.size)

        def part(low: float, high: float) -> list[list[float]]:
            first, last = round(low * (values.size - 1)), round(high * (values.size - 1))
            return [[float(values[first]), float(values[last])]]

        parts = [(0.0, 0.8), (0.2, 1.0), (0.1, 0.9), (0.0, 0.5), (0.5, 1.0)]
        regions = [None, *(part(low, high) for low, high in parts)]
        return cls.parse(
            {
                "regions": regions,
                "chains": [*_standard_chains(raman), *(_choosing_chains() if selection else [])],
                "components": components,
                "folds": folds,
                "repeats": repeats,
            }
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "regions": [None if one is None else [list(pair) for pair in one] for one in self.regions],
            "chains": [[step.to_json() for step in chain] for chain in self.chains],
            "components": self.components,
            "folds": self.folds,
            "repeats": self.repeats,
        }

    def candidates(self, axis: npt.ArrayLike) -> tuple[list[Candidate], int]:
        """The candidates for spectra on `axis` (p,), and how many were left out: a region without enough channels for
        what follows, or the same thing twice. Raises SearchError when none is left."""
        values = np.asarray(axis, dtype=np.float64)
        found: list[Candidate] = []
        known: set[str] = set()
        left_out = 0
        for ranges in self.regions:
            for chain in self.chains:
                steps = [step.to_json() for step in chain]
                if ranges is not None:
                    steps.insert(0, {"step": "region", "ranges": [list(pair) for pair in ranges]})
                recipe = Recipe.parse([*steps, {"step": "pls", "components": 1}])
                key = json.dumps(recipe.to_json())
                if key in known or not _fits(recipe, values):
                    left_out += 1
                    continue
                known.add(key)
                found.append(Candidate(len(found), recipe))
        if not found:
            raise SearchError.because("candidates_none")
        return found, left_out


def _fits(recipe: Recipe, axis: npt.NDArray[np.float64]) -> bool:
    try:
        build(recipe, axis)
    except RecipeError:
        return False
    return True


def _list(told: Any, name: str) -> Sequence[Any]:
    if not isinstance(told, list | tuple) or not told:
        raise SearchError.because("space_empty", parameter=name)
    return told


def _region(told: Any) -> Ranges | None:
    if told is None:
        return None
    step = Step.parse({"step": "region", "ranges": told})
    ranges: Any = step.parameters["ranges"]
    return tuple((float(low), float(high)) for low, high in ranges)


def _chain(told: Any) -> tuple[Step, ...]:
    if not isinstance(told, list | tuple) or not all(isinstance(one, Mapping) for one in told):
        raise SearchError.because("chain_no_list")
    steps = tuple(Step.parse(one) for one in told)
    for step in steps:
        if step.name == "region" or STEPS[step.name].regression:
            raise SearchError.because("chain_whole", step=step.name)
    return steps


def _standard_chains(raman: bool) -> list[list[dict[str, Any]]]:
    snv, msc = {"step": "snv"}, {"step": "msc"}
    chains: list[list[dict[str, Any]]] = [
        [],
        [snv],
        [msc],
        [{"step": "emsc", "degree": 2}],
        [{"step": "detrend", "degree": 1}],
        [snv, {"step": "detrend", "degree": 2}],
        [{"step": "normalise", "norm": "length"}],
        [{"step": "savgol", "window": 9, "polyorder": 2, "deriv": 0}, snv],
        [snv, {"step": "norris", "window": 5, "gap": 5, "deriv": 1}],
        [{"step": "emsc", "degree": 2}, {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}],
        [{"step": "detrend", "degree": 2}, snv],
    ]
    if raman:
        chains += [[{"step": name, "stiffness": 1e5}, *then] for name in ("arpls", "asls") for then in ([], [snv])]
    filters = [(deriv, window) for deriv, windows in ((1, (7, 15, 25)), (2, (11, 21, 31))) for window in windows]
    for deriv, window in filters:
        savgol = {"step": "savgol", "window": window, "polyorder": 2, "deriv": deriv}
        chains += [[savgol], [snv, savgol], [savgol, snv], [msc, savgol]]
    return chains


def _choosing_chains() -> list[list[dict[str, Any]]]:
    snv, savgol = {"step": "snv"}, {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}
    vip = {"step": "vip", "components": 5, "threshold": 1.0, "least": 30}
    ipls = {"step": "ipls", "intervals": 10, "components": 8, "most": 5, "direction": "forward"}
    return [[*chain, chosen] for chain in ([], [snv], [snv, savgol]) for chosen in (vip, ipls)]
