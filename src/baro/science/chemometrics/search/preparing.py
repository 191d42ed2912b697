"""Preprocessed spectra for many candidates: compiled, and shared between chains that begin alike."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.building import build, told_groups
from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.folding import Groups
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import STEPS, Recipe, Step
from baro.science.chemometrics.region import Region

Floats = npt.NDArray[np.float64]
KEPT_BYTES = 256 * 2**20
LINEAR = frozenset({"detrend", "savgol", "savgol_nearest", "norris"})
_REGRESSION = Step.parse({"step": "pls", "components": 1})


@dataclass(frozen=True, slots=True, eq=False)
class Scattered:
    """What scatter correction within a fold works on, see `split`.

    across: (n, q) spectra without their polynomial part, before the later steps; after: (n, d) the same after them.
    """

    across: Floats
    after: Floats


class Preparer:
    """Preprocesses spectra (n, p) on `axis` (p,). Keeps what chains have in common, up to `KEPT_BYTES`.

    One for each thread.
    """

    def __init__(self, axis: Floats, spectra: Floats) -> None:
        self.axis = axis
        self._spectra = spectra
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    def fixed(self, steps: Sequence[Step]) -> Floats:
        """The spectra after steps that learn nothing (n, q)."""
        return self._after(self._spectra, "", self.axis, tuple(steps))

    def scattered(self, before: Sequence[Step], step: Step, later: Sequence[Step]) -> Scattered:
        """For a chain with one step of scatter correction (MSC, EMSC) that only linear steps follow."""
        name = json.dumps([one.to_json() for one in (*before, step)])
        found = self._kept.get(name)
        if found is None:
            spectra = self.fixed(before)
            degree = 0 if step.name == "msc" else int(str(step.parameters["degree"]))
            basis = np.linalg.qr(np.vander(np.linspace(-1.0, 1.0, spectra.shape[1]), degree + 1, increasing=True))[0]
            found = spectra - (spectra @ basis) @ basis.T
            self._keep(name, found)
        inner = np.arange(found.shape[1], dtype=np.float64)
        return Scattered(found, self._after(found, name, inner, tuple(later)))

    def _after(self, spectra: Floats, name: str, axis: Floats, steps: tuple[Step, ...]) -> Floats:
        if not steps:
            return spectra
        key = name + json.dumps([step.to_json() for step in steps])
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        step = steps[-1]
        if "spectra" in step.parameters:  # these are on the whole axis, so its regions are told with it
            found = run(fitted(Recipe((*steps, _REGRESSION)), spectra, axis), spectra)
            self._keep(key, found)
            return found
        before = self._after(spectra, name, axis, steps[:-1])
        if step.name == "region":
            found = np.ascontiguousarray(before[:, Region.mask(axis, step.parameters["ranges"])])
        else:
            found = run(fitted(Recipe((step, _REGRESSION)), before), before)
        self._keep(key, found)
        return found

    def _keep(self, key: str, values: Floats) -> None:
        self._kept[key] = values
        while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)


def split(steps: Sequence[Step]) -> tuple[tuple[Step, ...], Step, tuple[Step, ...]] | None:
    """(before, scatter correction, after) when that is the whole of a chain's learning, and what follows is linear.

    With V an orthonormal basis of the polynomials and m the mean spectrum of a fold, MSC and EMSC give
    x⊥ / a + V Vᵀm, where x⊥ = x - V Vᵀx and a = x⊥·m / m⊥·m⊥. What is added is the same for all spectra of the fold:
    centring takes it away, also after linear steps. So a fold is but a factor 1 / a for each spectrum.
    """
    learning = [i for i, step in enumerate(steps) if STEPS[step.name].learns]
    if len(learning) != 1 or steps[learning[0]].name not in ("msc", "emsc"):
        return None
    at = learning[0]
    if any(step.name not in LINEAR for step in steps[at + 1 :]):
        return None
    return tuple(steps[:at]), steps[at], tuple(steps[at + 1 :])


def fitted(
    recipe: Recipe,
    spectra: Floats,
    axis: Floats | None = None,
    reference: Floats | None = None,
    groups: Groups = None,
) -> Program:
    """The compiled preprocessing of a recipe, fitted to spectra (n, q). What looks at reference values (n,) gets them,
    and batches (n,)."""
    at = np.arange(spectra.shape[1], dtype=np.float64) if axis is None else axis
    pipeline = build(recipe, at)
    told = told_groups(pipeline, groups)
    values = spectra
    for _, step in pipeline.steps[:-2]:
        values = step.fit(values).transform(values)
    name, step = pipeline.steps[-2]
    own = {key.removeprefix(f"{name}__"): value for key, value in told.items() if key.startswith(f"{name}__")}
    step.fit(values, reference, **own)
    return compile_steps(pipeline, spectra.shape[1])


def run(program: Program, spectra: Floats) -> Floats:
    """The spectra (n, p) after a program (n, q); other threads go on meanwhile."""
    from baro.science.chemometrics.search import _kernels

    x = np.ascontiguousarray(spectra)
    out = np.empty((len(x), program.channels_out))
    _kernels.apply_rows(x, program.layout, program.numbers, out, program.scratch(x.shape[1]))
    return out
