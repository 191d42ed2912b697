"""Recipes: how raw spectra become a quality value, as data.

A recipe is a list of steps, each a name with parameters, that ends with a regression::

    [{"step": "region", "ranges": [[600, 1638]]},
     {"step": "snv"},
     {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1},
     {"step": "pls", "components": 5}]

It is kept as JSON with the model, searched over, compared, and built into a scikit-learn pipeline. `STEPS` lists the
steps that exist, with the range of each parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from math import isfinite
from typing import TYPE_CHECKING, Any, Self, cast

import numpy.typing as npt

from baro.science.errors import RecipeError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Parameter = int | float | str | list[list[float]]


@dataclass(frozen=True, slots=True)
class Spec:
    """A step that exists. low, high: bounds of each parameter; choices: of those that are words.

    learns: it estimates something from the spectra it is fitted to, so it has to be fitted inside the fold. How each is
    built is in `building`, which needs scikit-learn. supervised: it looks at the reference values.
    """

    defaults: Mapping[str, Parameter] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    learns: bool = False
    supervised: bool = False
    regression: bool = False


STEPS: dict[str, Spec] = {
    "region": Spec({"ranges": []}),
    "snv": Spec(),
    "msc": Spec(learns=True),
    "emsc": Spec({"degree": 2}, {"degree": (0, 4)}, learns=True),
    "interferents": Spec({"spectra": [], "degree": 2}, {"degree": (0, 4)}, learns=True),  # EMSC that knows them
    "epo": Spec({"spectra": [], "components": 1}, {"components": (1, 20)}),
    "detrend": Spec({"degree": 2}, {"degree": (0, 4)}),
    "savgol": Spec(
        {"window": 15, "polyorder": 2, "deriv": 1}, {"window": (3, 101), "polyorder": (0, 5), "deriv": (0, 3)}
    ),
    "savgol_nearest": Spec(  # beyond the ends the outermost value goes on
        {"window": 15, "polyorder": 2, "deriv": 1}, {"window": (3, 101), "polyorder": (0, 5), "deriv": (0, 3)}
    ),
    "norris": Spec({"window": 5, "gap": 3, "deriv": 1}, {"window": (3, 51), "gap": (3, 51), "deriv": (1, 2)}),
    "normalise": Spec({"norm": "length"}, choices={"norm": ("area", "length")}),
    "autoscale": Spec(learns=True),
    "asls": Spec({"stiffness": 1e5, "asymmetry": 0.01}, {"stiffness": (1.0, 1e12), "asymmetry": (1e-4, 0.5)}),
    "arpls": Spec({"stiffness": 1e5}, {"stiffness": (1.0, 1e12)}),
    "vip": Spec(
        {"components": 3, "threshold": 1.0, "least": 20},
        {"components": (1, 20), "threshold": (0.0, 10.0), "least": (1, 1000)},
        learns=True,
        supervised=True,
    ),
    "ipls": Spec(
        {"intervals": 10, "components": 5, "most": 10, "direction": "forward"},
        {"intervals": (2, 40), "components": (1, 20), "most": (1, 40)},
        {"direction": ("forward", "backward")},
        learns=True,
        supervised=True,
    ),
    "pls": Spec({"components": 1}, {"components": (1, 60)}, regression=True),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a name of `STEPS` and all of its parameters."""

    name: str
    parameters: Mapping[str, Parameter]

    @classmethod
    def parse(cls, told: Mapping[str, Any]) -> Self:
        """Check a step and fill in defaults. Raises RecipeError, which names step, parameter and range."""
        name = str(told.get("step", ""))
        spec = STEPS.get(name)
        if spec is None:
            raise RecipeError.because("step_unknown", step=repr(name), known=", ".join(sorted(STEPS)))
        given = {key: value for key, value in told.items() if key != "step"}
        if unknown := given.keys() - spec.defaults.keys():
            raise RecipeError.because("parameter_unknown", step=name, parameters=", ".join(sorted(unknown)))
        parameters = {**spec.defaults, **given}
        for key, (low, high) in spec.bounds.items():
            value = parameters[key]
            whole = isinstance(spec.defaults[key], int)
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                wanted = "whole_wanted" if whole else "number_wanted"
                raise RecipeError.because(wanted, step=name, parameter=key, value=repr(value))
            if not low <= value <= high:
                ends = {"low": f"{low:g}", "high": f"{high:g}"}
                raise RecipeError.because("out_of_range", step=name, parameter=key, value=f"{value:g}", **ends)
        for key, words in spec.choices.items():
            if parameters[key] not in words:
                known, value = ", ".join(words), repr(parameters[key])
                raise RecipeError.because("choice_unknown", step=name, parameter=key, known=known, value=value)
        _consistent(name, parameters)
        return cls(name, parameters)

    def to_json(self) -> dict[str, Any]:
        return {"step": self.name, **self.parameters}

    def __str__(self) -> str:
        shown = {k: len(v) if k == "spectra" and isinstance(v, list) else v for k, v in self.parameters.items()}
        told = ", ".join(f"{key} {_short(value)}" for key, value in shown.items())
        return f"{self.name} ({told})" if told else self.name


@dataclass(frozen=True, slots=True)
class Recipe:
    """Steps in their order; the last is the regression."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, told: Iterable[Mapping[str, Any]]) -> Self:
        """Raises RecipeError for steps that do not exist, parameters out of range, or no regression at the end."""
        steps = tuple(Step.parse(one) for one in told)
        if not steps or not STEPS[steps[-1].name].regression:
            raise RecipeError.because("no_regression")
        if any(STEPS[step.name].regression for step in steps[:-1]):
            raise RecipeError.because("two_regressions")
        if any(step.name == "region" for step in steps[1:]):
            raise RecipeError.because("region_not_first")
        if seeing := [step.name for step in steps[:-2] if STEPS[step.name].supervised]:
            raise RecipeError.because("channels_not_last", step=seeing[0])
        for number, step in enumerate(steps):
            if "spectra" in step.parameters and any(other.name != "region" for other in steps[:number]):
                raise RecipeError.because("spectra_not_first", step=step.name)
        return cls(steps)

    def to_json(self) -> list[dict[str, Any]]:
        return [step.to_json() for step in self.steps]

    @property
    def preprocessing(self) -> tuple[Step, ...]:
        """The steps before the regression."""
        return self.steps[:-1]

    @property
    def learns(self) -> bool:
        """Does a step before the regression estimate something from the spectra it is fitted to?"""
        return any(STEPS[step.name].learns for step in self.preprocessing)

    def with_components(self, components: int) -> Recipe:
        """The same with another number of latent variables."""
        last = self.steps[-1]
        return Recipe((*self.preprocessing, Step.parse({**last.to_json(), "components": components})))

    @property
    def components(self) -> int:
        """The number of latent variables of the regression."""
        return cast(int, self.steps[-1].parameters["components"])

    def pipeline(self, axis: npt.ArrayLike) -> Pipeline:
        """The unfitted scikit-learn pipeline for spectra on `axis` (p,), see `building.build`."""
        from baro.science.chemometrics.building import build

        return build(self, axis)

    def __str__(self) -> str:
        return " → ".join(str(step) for step in self.steps)


def _consistent(name: str, parameters: Mapping[str, Any]) -> None:
    if name == "region":
        _ranges(parameters["ranges"])
    if "spectra" in parameters:
        _spectra(name, parameters["spectra"])
    for key in ("window", "gap"):
        if key in parameters and parameters[key] % 2 == 0:
            raise RecipeError.because("not_odd", step=name, parameter=key, value=parameters[key])
    if (
        name in ("savgol", "savgol_nearest")
        and not parameters["deriv"] <= parameters["polyorder"] < parameters["window"]
    ):
        raise RecipeError.because("savgol_orders", step=name)


def _ranges(ranges: Any) -> None:
    try:
        pairs = [(float(low), float(high)) for low, high in ranges]
    except (TypeError, ValueError):
        pairs = []
    if not pairs or any(not low < high for low, high in pairs):
        raise RecipeError.because("ranges_wrong")


def _spectra(name: str, rows: Any) -> None:
    try:
        values = [[float(value) for value in row] for row in rows]
    except (TypeError, ValueError):
        values = []
    if not values or len({len(row) for row in values}) != 1 or not all(map(isfinite, chain.from_iterable(values))):
        raise RecipeError.because("spectra_wrong", step=name)


def _short(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)
