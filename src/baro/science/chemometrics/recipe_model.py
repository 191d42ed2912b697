"""A calibration fitted by a recipe, with its preprocessing compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baro.science.chemometrics.model import CalibrationSet, Fitted, Floats, Limits, check_arrays, freeze_arrays
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import Recipe
from baro.science.errors import NotCompilableError


@dataclass(frozen=True, slots=True, eq=False)
class RecipeModel(Fitted):
    """A partial least squares calibration of one property by any recipe: p channels, of which the recipe leaves q; A
    latent variables; n calibration spectra.

    axis: (p,) in `axis_unit`. centre: (q,). rotations, loadings: (A, q). y_loadings, score_variance: (A,). y_mean: in
    `unit`. nominal: label claim in `unit`, None when there is none. scores: (n, A) of the calibration spectra, in the
    order of `samples`. figures: see `fitting.fit`. provenance: text and numbers only.
    """

    name: str
    quantity: str
    unit: str
    nominal: float | None
    axis: Floats
    axis_unit: str
    recipe: Recipe
    program: Program
    centre: Floats
    rotations: Floats
    loadings: Floats
    y_loadings: Floats
    y_mean: float
    score_variance: Floats
    scores: Floats
    samples: tuple[str, ...]
    limits: Limits
    calibration: CalibrationSet
    figures: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for owner in (self, self.calibration, self.program):
            freeze_arrays(owner)
        self.program.check(self.channels)
        check_arrays(self, self.program.channels_out)
        if self.scores.shape != (len(self.scores), self.latent_variables):
            raise NotCompilableError("The scores of the model do not fit its latent variables.")

    @property
    def inner_axis(self) -> Floats:
        return self.axis[self.program.kept]

    @property
    def coefficients(self) -> Floats:
        """(q,) regression vector on the preprocessed, centred spectrum."""
        return self.y_loadings @ self.rotations
