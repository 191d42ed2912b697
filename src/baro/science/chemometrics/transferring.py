"""A calibration brought to another instrument: checked, learnt, judged, compiled.

The check comes first. What a transfer learns holds for what its standards span, and cross-validation over standards of
a narrow range sees nothing of what happens outside it. So `transfer` refuses standards that do not span the
calibration, before anything is fitted; `span_findings` says why with numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sklearn.model_selection import KFold

from baro.science.chemometrics.calibration import build_pipeline, rmse
from baro.science.chemometrics.compiling import BANDED, LOW_RANK, Operation, compile_steps
from baro.science.chemometrics.findings import Finding, Severity
from baro.science.chemometrics.model import CalibrationModel, Fitted, Floats
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transfer import How, Transform, fit_spectra, parameters_of, slope_bias
from baro.science.errors import CalibrationDataError, NotCompilableError, TransferSpanError

LEAST_SPAN, GOOD_SPAN = 0.5, 0.7
"""Of the calibration's range of reference values: below the first a transfer is refused, below the second said."""
LEAST_SPREAD, GOOD_SPREAD = 0.33, 0.5
"""Standard deviation of the standards' scores in those of the calibration's: of all together (geometric mean), below
which a transfer is refused; of the narrowest, below which it is said."""
FOLDS, SEED = 10, 1991
GRID: Mapping[How, Mapping[str, Sequence[Any]]] = {
    How.PDS: {"half_window": (1, 2, 5, 10, 15), "components": (1, 2, 3)},
    How.SST: {"components": (1, 2, 3, 5, 8)},
}
"""What `choose_parameters` tries."""


def needed(how: How, parameters: Mapping[str, Any], latent_variables: int) -> tuple[int, int]:
    """(least, enough) standards of a method, from how much it estimates.

    PDS: the components of a window and its offset; DS: as many directions as the model looks at, since standards are
    all it knows; SST: the components of the common space; slope and bias: two. Least: two more than these (five for
    slope and bias), so that something is left to be wrong by; enough: three times as many.
    """
    if how == How.SLOPE_BIAS:
        return 5, 10
    free = latent_variables + 1 if how == How.DS else int(parameters["components"]) + 1
    return free + 1, 3 * free


def span_findings(
    model: Fitted,
    primary: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    how: How,
    parameters: Mapping[str, Any] | None = None,
    samples: Sequence[str] | None = None,
) -> list[Finding]:
    """What speaks against standards measured as `primary` (n, p) on the model's own instrument.

    reference: (n,) in the model's unit, NaN or None where it is not known; then the model's own predictions stand for
    it. Facts: spans and shares of the calibration's. Severity serious: `transfer` refuses. Raises SpectrumError.
    """
    x = np.asarray(primary, dtype=np.float64)
    operator = OnlineOperator(model)
    seen = operator.predict(x)
    found = []
    least, enough = needed(how, parameters_of(how, parameters or {}), model.latent_variables)
    if len(x) < enough:
        severity = Severity.SERIOUS if len(x) < least else Severity.WARNING
        found.append(Finding("transfer_few", severity, {"count": len(x), "least": least, "enough": enough}))
    known = np.full(len(x), np.nan) if reference is None else np.asarray(reference, dtype=np.float64)
    of_method = np.isfinite(known).all()
    values = known if of_method else seen.value
    low, high = model.reference_range
    share = float(np.ptp(values)) / (high - low)
    if share < GOOD_SPAN:
        facts: dict[str, Any] = {"low": float(np.min(values)), "high": float(np.max(values)), "share": share}
        facts |= {"calibration_low": low, "calibration_high": high, "unit": model.unit, "reference": bool(of_method)}
        facts |= {"least": LEAST_SPAN}
        severity = Severity.SERIOUS if share < LEAST_SPAN else Severity.WARNING
        found.append(Finding("transfer_value_span", severity, facts))
    facts = score_span(model, seen.scores)
    if facts["spread"] < LEAST_SPREAD or facts["narrowest"] < GOOD_SPREAD:
        severity = Severity.SERIOUS if facts["spread"] < LEAST_SPREAD else Severity.WARNING
        found.append(Finding("transfer_score_span", severity, facts))
    names = [str(i + 1) for i in range(len(x))] if samples is None else list(samples)
    outside = tuple(names[int(i)] for i in np.flatnonzero(~seen.inside))
    if outside:
        facts = {"count": len(outside), "of": len(x)}
        found.append(Finding("transfer_standards_outside", Severity.WARNING, facts, outside))
    return found


def score_span(model: Fitted, scores: Floats) -> dict[str, Any]:
    """How much of the model's score space scores (n, A) of standards span.

    spread: geometric mean over the latent variables of the standards' standard deviation in the calibration's;
    narrowest, latent_variable: the least of them and which (from 1). volume: the square root of the determinant of the
    standards' covariance in units of the calibration's, 0 when there are no more standards than latent variables.
    covered: share of the calibration's scores that lie between the standards in every latent variable, None where the
    model keeps no scores.
    """
    scaled = scores / np.sqrt(model.score_variance)
    each = np.std(scaled, axis=0, ddof=1) if len(scores) > 1 else np.zeros(scaled.shape[1])
    spread = float(np.exp(np.mean(np.log(np.maximum(each, 1e-12)))))
    covariance = np.atleast_2d(np.cov(scaled, rowvar=False)) if len(scores) > scaled.shape[1] else np.zeros((1, 1))
    covered = None
    if isinstance(model, RecipeModel) and len(model.scores):
        between = (model.scores >= scores.min(axis=0)) & (model.scores <= scores.max(axis=0))
        covered = float(np.mean(between.all(axis=1)))
    return {
        "spread": spread,
        "narrowest": float(each.min()),
        "latent_variable": int(each.argmin()) + 1,
        "volume": float(np.sqrt(max(np.linalg.det(covariance), 0.0))),
        "covered": covered,
        "least": LEAST_SPREAD,
    }


@dataclass(frozen=True, eq=False)
class LeftOut:
    """n standards on the second instrument as the model sees them: before and after a transfer that did not know them.

    before, after: (n,) predictions. wanted: (n,) what the model says of them on its own instrument. inside_before,
    inside_after: (n,) bool, within the model's limits.
    """

    before: Floats
    after: Floats
    wanted: Floats
    inside_before: npt.NDArray[np.bool_]
    inside_after: npt.NDArray[np.bool_]

    def figures(self, reference: npt.ArrayLike | None = None) -> dict[str, Any]:
        """Root mean squares, in the unit of the value: rmsd_before, rmsd_after of the difference from the model's
        predictions on its own instrument, and with reference values (n,) rmsep_before, rmsep_after, rmsep_primary.
        outside_before, outside_after: shares outside the model's limits. p_gain: of the hypothesis that squared errors
        became no smaller (paired t test), against reference values where they are known."""
        told: dict[str, Any] = {
            "count": len(self.wanted),
            "rmsd_before": rmse(self.before - self.wanted),
            "rmsd_after": rmse(self.after - self.wanted),
            "outside_before": float(np.mean(~self.inside_before)),
            "outside_after": float(np.mean(~self.inside_after)),
        }
        known = None if reference is None else np.asarray(reference, dtype=np.float64)
        goal = self.wanted
        if known is not None and np.isfinite(known).all():
            for name, values in (("before", self.before), ("after", self.after), ("primary", self.wanted)):
                told[f"rmsep_{name}"] = rmse(values - known)
            goal = known
        gain = (self.before - goal) ** 2 - (self.after - goal) ** 2
        told["p_gain"] = float(stats.ttest_1samp(gain, 0.0, alternative="greater").pvalue) if np.ptp(gain) > 0 else 1.0
        return told


def left_out(
    model: Fitted,
    secondary: npt.ArrayLike,
    primary: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    how: How,
    parameters: Mapping[str, Any] | None = None,
    seed: int = SEED,
) -> LeftOut:
    """Each standard by a transfer that was learnt from the others, in up to ten shuffled folds."""
    x, x1, told = _pair(model, secondary, primary), np.asarray(primary, dtype=np.float64), parameters or {}
    operator = OnlineOperator(model)
    before, wanted = operator.predict(x), operator.predict(x1)
    after, inside = np.empty(len(x)), np.empty(len(x), bool)
    goal = _goal(reference, wanted.value)
    for kept, left in KFold(min(FOLDS, len(x)), shuffle=True, random_state=seed).split(x):
        learnt = learn(model, x[kept], x1[kept], goal[kept], how, told)
        result = operator.predict(learnt.spectra(x[left]))
        after[left], inside[left] = learnt.values.apply(result.value), result.inside
    return LeftOut(before.value, after, wanted.value, before.inside, inside)


def learn(
    model: Fitted, secondary: Floats, primary: Floats, wanted: Floats, how: How, parameters: Mapping[str, Any]
) -> Transform:
    """A transfer from standards (n, p) on both instruments and the values (n,) they should have; nothing is checked."""
    told = parameters_of(how, parameters)
    if how != How.SLOPE_BIAS:
        return fit_spectra(how, told, secondary, primary)
    predicted = OnlineOperator(model).predict(secondary).value
    return Transform(how, told, values=slope_bias(predicted, wanted, told["slope"]))


def choose_parameters(
    model: Fitted, secondary: npt.ArrayLike, primary: npt.ArrayLike, how: How, seed: int = SEED
) -> dict[str, Any]:
    """The parameters of `GRID` whose left-out standards come nearest to the model's predictions on its own instrument.

    Reference values are not looked at: what is transferred is the instrument, not the laboratory. With few standards
    the choice is uncertain: the error of an error from n of them is about 1 / √(2 n) of it. Raises as `transfer`.
    """
    names = GRID.get(how)
    if names is None:
        return parameters_of(how, {})
    count = len(np.asarray(primary))
    tried = []
    for values in product(*names.values()):
        told = dict(zip(names, values, strict=True))
        if told["components"] <= max(1, count - 3):
            seen = left_out(model, secondary, primary, None, how, told, seed)
            tried.append((rmse(seen.after - seen.wanted), told))
    return parameters_of(how, min(tried, key=lambda one: one[0])[1])


@dataclass(frozen=True, eq=False)
class Transferred:
    """What became of a transfer. model: compiled for the second instrument. findings: what was said of the standards
    and of the result. figures: of `LeftOut`, of the spans, of the method."""

    model: RecipeModel
    transform: Transform
    findings: tuple[Finding, ...]
    figures: Mapping[str, Any]


def transfer(
    model: Fitted,
    secondary: npt.ArrayLike,
    primary: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    how: How,
    parameters: Mapping[str, Any] | None = None,
    *,
    samples: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Transferred:
    """Bring a model to a second instrument by standards that both have measured, row by row the same ones.

    secondary, primary: (n, p). reference: (n,) or None. parameters: those of `DEFAULTS` where not told, see
    `choose_parameters`. Raises TransferSpanError when the standards do not span the calibration, CalibrationDataError,
    SpectrumError.
    """
    x, x1 = _pair(model, secondary, primary), np.asarray(primary, dtype=np.float64)
    found = span_findings(model, x1, reference, how, parameters, samples)
    if serious := [one for one in found if one.severity == Severity.SERIOUS]:
        raise TransferSpanError(serious)
    told = parameters_of(how, parameters or {})
    operator = OnlineOperator(model)
    seen = operator.predict(x1)
    learnt = learn(model, x, x1, _goal(reference, seen.value), how, told)
    figures = left_out(model, x, x1, reference, how, told).figures(reference)
    figures["span"] = score_span(model, seen.scores)
    if how == How.SLOPE_BIAS:
        figures |= {"slope": learnt.values.slope, "offset": learnt.values.offset, "p_slope": learnt.values.p_slope}
    found += list(result_findings(figures, model, how))
    record = {"how": how.value, "parameters": told, "standards": len(x), **(provenance or {})}
    return Transferred(compiled(model, learnt, record, figures), learnt, tuple(found), figures)


def result_findings(figures: Mapping[str, Any], model: Fitted, how: How) -> Iterable[Finding]:
    kind = "rmsep" if "rmsep_after" in figures else "rmsd"
    before, after = figures[f"{kind}_before"], figures[f"{kind}_after"]
    if figures["p_gain"] > 0.05:
        facts = {"before": before, "after": after, "unit": model.unit, "p": figures["p_gain"]}
        yield Finding("transfer_no_gain", Severity.WARNING, facts)
    cv = model.figures.get("rmsecv")
    if kind == "rmsep" and cv is not None and after > 1.5 * float(cv):
        facts = {"after": after, "rmsecv": float(cv), "unit": model.unit}
        yield Finding("transfer_worse_than_model", Severity.WARNING, facts)
    if figures["outside_after"] > max(0.1, 1.5 / figures["count"]):
        yield Finding("transfer_outside", Severity.WARNING, {"share": figures["outside_after"]})
    p = figures.get("p_slope")
    if how == How.SLOPE_BIAS and p is not None and p > 0.05 and figures["slope"] != 1.0:
        yield Finding("transfer_slope_needless", Severity.NOTE, {"slope": figures["slope"], "p": p})


def compiled(
    model: Fitted, learnt: Transform, record: Mapping[str, Any], figures: Mapping[str, Any] | None = None
) -> RecipeModel:
    """The model for the second instrument: the transfer is the first operation of its program, or is in its values.

    record, figures: what is kept with it, under ``transfer``. Raises NotCompilableError.
    """
    base = as_recipe(model)
    slope, offset = learnt.values.slope, learnt.values.offset
    program = base.program
    if learnt.estimator is not None:
        program = _before(program, _operation(learnt), base.channels)
    return replace(
        base,
        program=program,
        y_loadings=slope * base.y_loadings,
        y_mean=slope * base.y_mean + offset,
        figures={**base.figures, "transfer": dict(figures or {})},
        provenance={**base.provenance, "transfer": dict(record)},
    )


def as_recipe(model: Fitted) -> RecipeModel:
    """The same model in the form that any recipe has. One of the first format keeps no scores of its calibration."""
    if isinstance(model, RecipeModel):
        return model
    if not isinstance(model, CalibrationModel):
        raise NotCompilableError
    spec = model.preprocessing
    steps: list[dict[str, Any]] = [
        {"step": "snv"},
        {"step": "savgol", "window": spec.window_length, "polyorder": spec.polyorder, "deriv": 1},
        {"step": "pls", "components": model.latent_variables},
    ]
    # neither SNV nor the derivative learns from spectra: fitting them to any two gives the program
    blank = np.vstack([np.arange(model.channels), np.arange(model.channels) ** 2.0])
    pipeline = build_pipeline(1, spec)
    pipeline[:-1].fit(blank)
    return RecipeModel(
        name=model.name,
        quantity=model.quantity,
        unit=model.unit,
        nominal=model.nominal,
        axis=model.axis,
        axis_unit=model.axis_unit,
        recipe=Recipe.parse(steps),
        program=compile_steps(pipeline, model.channels),
        centre=model.centre,
        rotations=model.rotations,
        loadings=model.loadings,
        y_loadings=model.y_loadings,
        y_mean=model.y_mean,
        score_variance=model.score_variance,
        scores=np.empty((0, model.latent_variables)),
        samples=(),
        limits=model.limits,
        calibration=model.calibration,
        figures=model.figures,
        provenance=model.provenance,
    )


def _operation(learnt: Transform) -> Operation:
    fitted = learnt.estimator
    if learnt.how == How.PDS:
        return BANDED, fitted.coef_.shape[1], 0, [fitted.intercept_, fitted.coef_.T]
    if learnt.how == How.DS:
        return LOW_RANK, fitted.V_ds_.shape[1], 0, [np.zeros(len(fitted.V_ds_)), fitted.V_ds_.T, fitted.B_ds_]
    if learnt.how == How.SST:
        return LOW_RANK, fitted.A_eff_.shape[1], 1, [fitted.bias_, fitted.A_eff_.T, fitted.dP_eff_]
    raise NotCompilableError


def _before(program: Program, operation: Operation, channels: int) -> Program:
    """The program with an operation on all channels put before it."""
    code, first, second, arrays = operation
    numbers = np.concatenate([np.ravel(array) for array in arrays])
    layout = program.layout.copy()
    layout[:, 3] += numbers.size
    own = np.array([[code, channels, channels, 0, first, second]], dtype=np.int64)
    return Program(np.vstack([own, layout]), np.concatenate([numbers, program.numbers]), program.kept)


def _pair(model: Fitted, secondary: npt.ArrayLike, primary: npt.ArrayLike) -> Floats:
    x, x1 = np.asarray(secondary, dtype=np.float64), np.asarray(primary, dtype=np.float64)
    if x.ndim != 2 or x.shape != x1.shape or x.shape[1] != model.channels:
        raise CalibrationDataError.because("standards_unfit", first=x1.shape, second=x.shape, channels=model.channels)
    if len(x) < 3:
        raise CalibrationDataError.because("standards_few", count=len(x))
    return x


def _goal(reference: npt.ArrayLike | None, predicted: Floats) -> Floats:
    """Reference values where all are known, otherwise what the model says on its own instrument."""
    known = None if reference is None else np.asarray(reference, dtype=np.float64)
    return predicted if known is None or not np.isfinite(known).all() else known
