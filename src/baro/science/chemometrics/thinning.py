"""Spectra as a picture needs them: preprocessed, and of every few channels the lowest and the highest value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.program import Floats, Program
from baro.science.chemometrics.recipe import STEPS, Recipe, Step

Floats32 = npt.NDArray[np.float32]
_END = Step.parse({"step": "pls", "components": 1})


def program_of(steps: Sequence[Step], axis: Floats, spectra: Floats32) -> Program:
    """Preprocessing steps compiled for spectra on `axis` (p,). What learns from spectra learns from `spectra` (n, p);
    where nothing does, only their shape counts.

    Raises RecipeError, NotCompilableError, and ValueError for steps that cannot be fitted to these spectra.
    """
    recipe = Recipe((*steps, _END))
    pipeline = recipe.pipeline(axis)
    first = next((i for i, step in enumerate(steps) if STEPS[step.name].learns), len(steps))
    head = Pipeline([*pipeline.steps[:first], ("end", "passthrough")])
    some = spectra[:2].astype(np.float64)
    for _name, step in head.steps[:-1]:
        some = step.fit(some).transform(some)
    if first < len(steps):
        # in front of it the compiled steps: those of scikit-learn take a hundred times as long for a baseline
        values: Floats = compile_steps(head, axis.size).apply(spectra)
        for _name, step in pipeline.steps[first:-2]:
            values = step.fit(values).transform(values)
        pipeline.steps[-2][1].fit(values)
    return compile_steps(pipeline, axis.size)


def prepared(
    program: Program | None, spectra: Floats32, stride: int, begin: int = 0, end: int | None = None
) -> Floats32:
    """Spectra (n, p) after a program, thinned, (n, m) float32; see `thin`. begin, end: of the channels that are left
    only those from `begin` to before `end`. Other threads go on meanwhile."""
    if program is None or not len(program.layout):
        return thin((spectra if program is None else spectra[:, program.kept])[:, begin:end], stride)
    from baro.science.chemometrics import _thinning

    last = program.channels_out if end is None else end
    count = last - begin
    out = np.empty((len(spectra), count if stride == 1 else 2 * -(-count // stride)), np.float32)
    x = np.ascontiguousarray(spectra, np.float32)
    _thinning.prepared(x, program.layout, program.numbers, begin, last, stride, out, program.scratch(x.shape[1]))
    return out


def thin(values: Floats32, stride: int) -> Floats32:
    """The lowest and the highest value of every `stride` channels (n, 2·ceil(p/stride)), so that bands survive; they
    stand in the order in which the ends of the stretch lie. stride 1: all."""
    if stride == 1:
        return values
    starts = np.arange(0, values.shape[1], stride)
    low, high = np.minimum.reduceat(values, starts, axis=1), np.maximum.reduceat(values, starts, axis=1)
    rising = values[:, starts] <= values[:, np.minimum(starts + stride - 1, values.shape[1] - 1)]
    out = np.empty((len(values), 2 * starts.size), dtype=np.float32)
    out[:, 0::2], out[:, 1::2] = np.where(rising, low, high), np.where(rising, high, low)
    return out


def places(axis: Floats, stride: int) -> Floats:
    """Where on `axis` (p,) the points of `thin` are drawn."""
    if stride == 1:
        return axis
    starts = np.arange(0, axis.size, stride)
    ends = np.minimum(starts + stride - 1, axis.size - 1)
    return np.column_stack([axis[starts], (axis[starts] + axis[ends]) / 2]).ravel()
