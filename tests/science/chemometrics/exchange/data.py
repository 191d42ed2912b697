"""Models of small made spectra for the tests of exchange."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from baro.science.chemometrics import artefact
from baro.science.chemometrics.artefact import ModelArtefact
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel

AXIS = np.linspace(1000.0, 1700.0, 71)
PURPOSE = Purpose("Assay", "assay", "mg", 100.0)
WATER = [[float(v) for v in np.exp(-(((AXIS - 1400.0) / 80.0) ** 2))], [float(v) for v in np.linspace(0, 1, 71) ** 2]]
LINEAR: dict[str, list[dict[str, Any]]] = {
    "raw": [],
    "region": [{"step": "region", "ranges": [[1100, 1300], [1400, 1650]]}],
    "snv": [{"step": "snv"}],
    "msc": [{"step": "msc"}],
    "emsc-savgol": [{"step": "emsc"}, {"step": "savgol", "window": 7, "polyorder": 3, "deriv": 2}],
    "interferents": [
        {"step": "region", "ranges": [[1100, 1650]]},
        {"step": "interferents", "spectra": WATER, "degree": 1},
    ],
    "epo": [{"step": "region", "ranges": [[1100, 1650]]}, {"step": "epo", "spectra": WATER, "components": 2}],
    "snv-detrend": [{"step": "snv"}, {"step": "detrend"}],
    "savgol-nearest": [{"step": "savgol_nearest", "window": 9}],
    "norris": [{"step": "norris", "deriv": 2, "gap": 5}, {"step": "snv"}],
    "length": [{"step": "normalise"}],
    "area": [{"step": "normalise", "norm": "area"}],
    "autoscale": [{"step": "snv"}, {"step": "autoscale"}],
}
BASELINES: dict[str, list[dict[str, Any]]] = {
    "asls": [{"step": "asls", "stiffness": 1000.0}],
    "arpls": [{"step": "arpls", "stiffness": 1000.0}],
}
CHAINS = LINEAR | BASELINES


def made(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of two bands whose heights vary, with scatter and noise, and the height of one of them."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0.5, 1.5, (n, 2))
    bands = np.exp(-(((AXIS - np.array([[1250.0], [1500.0]])) / 60.0) ** 2))
    spectra = heights @ bands * rng.uniform(0.9, 1.1, (n, 1)) + rng.uniform(0.4, 0.6, (n, 1))
    return spectra + rng.normal(0, 1e-3, spectra.shape), 100 * heights[:, 0]


def recipe(chain: list[dict[str, Any]], components: int = 3) -> Recipe:
    return Recipe.parse([*chain, {"step": "pls", "components": components}])


@cache
def fitted(name: str) -> RecipeModel:
    """The model by a chain of this name."""
    return fit(PURPOSE, AXIS, *made(), recipe(CHAINS[name]))


def kept(model: Any) -> ModelArtefact:
    return artefact.dumps(model)


def pipeline(name: str) -> Pipeline:
    """A pipeline as another program would have fitted it."""
    return recipe(CHAINS[name]).pipeline(AXIS).fit(*made())
