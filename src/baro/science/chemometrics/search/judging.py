"""What speaks against the outcome of a search, found by looking at its best candidate more closely.

Every comparison is of errors of left-out samples, paired, with batches as the independent units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.calibration import rmse
from baro.science.chemometrics.findings import Finding, Severity, data_findings
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search.crossval import Masks, Plan, predict_left_out
from baro.science.chemometrics.search.outliers import outliers
from baro.science.chemometrics.search.preparing import Floats, Preparer
from baro.science.chemometrics.search.ranking import fewest, figure, ranked, short
from baro.science.chemometrics.search.space import SearchSpace
from baro.science.errors import ScienceError

LEVEL = 0.05
FLIPS = 9_999
NO_SHARE, LITTLE_SHARE = 0.1, 0.75  # the latter is a standard deviation of twice the error (RPD 2)
WORSE = 1.1
OPTIMISTIC = 1.05
LATER = 0.2
FEW_BATCHES = 20


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """The data of a search: axis (p,), spectra (n, p), reference (n,), groups, samples, measured_at (n,), and how they
    were divided."""

    axis: Floats
    spectra: Floats
    reference: Floats
    groups: npt.NDArray[Any]
    samples: Sequence[str]
    measured_at: Sequence[datetime] | npt.NDArray[Any] | None
    reference_error: float | None
    plan: Plan
    space: SearchSpace
    seed: int
    grouped: bool

    @property
    def batch(self) -> npt.NDArray[np.intp]:
        return np.unique(self.groups, return_inverse=True)[1]


@dataclass(frozen=True, slots=True)
class Judgement:
    """comparison: RMSE of the best candidate and of telling the mean, by each way of leaving out; None where there is
    none. findings: what speaks against it."""

    comparison: Mapping[str, float | None]
    findings: tuple[Finding, ...]


def judge(case: Case, results: Sequence[Mapping[str, Any]]) -> Judgement:
    """Look at the best of `results` again.

    comparison: `grouped`, `random` and `later` (the last fifth of the batches by those before) are RMSE of the model,
    `mean` and `mean_later` of telling the mean; `share` of the variance that is explained, with the p value `p_skill`;
    `nested` is the RMSE when each fold judges the candidate that is best by the others, `lowest` that of the one which
    is best by all.
    """
    findings = data_findings(case.spectra, case.reference, list(case.groups), case.samples, case.reference_error)
    if failed := sum("rmsecv" not in one for one in results):
        findings.append(Finding("candidates_failed", Severity.NOTE, {"count": failed, "of": len(results)}))
    best = next((one for one in ranked(results) if "rmsecv" in one), None)
    if best is None:
        return Judgement({}, tuple(findings))
    recipe = Recipe.parse(best["recipe"])
    errors = _left_out(Preparer(case.axis, case.spectra), case, recipe, case.plan)
    comparison: dict[str, float | None] = {"grouped": figure(best)}
    for one in (
        _skill(case, errors, comparison),
        _nested(case, best, results, comparison),
        _random(case, recipe, errors, comparison),
        _later(case, recipe, errors, comparison),
        _amount(case, best, results),
        _edge(case, best),
    ):
        findings += one
    findings += outliers(
        case.axis,
        case.spectra,
        case.reference,
        case.groups,
        case.samples,
        recipe,
        errors.mean(axis=0),
        case.seed,
        case.reference_error,
    )
    return Judgement(comparison, tuple(findings))


def sign_flip(differences: Floats, seed: int) -> float:
    """p value (one-sided) that the sum of paired differences of batches (G,) is above 0 by chance alone.

    Randomisation test of Fisher: by chance, each difference might as well have the other sign.
    """
    signs = np.random.default_rng(seed).integers(0, 2, (FLIPS, len(differences)), dtype=np.int8) * 2 - 1
    sums = signs @ differences
    slack = 1e-12 * float(np.sum(np.abs(differences)))
    return float((1 + np.count_nonzero(sums >= differences.sum() - slack)) / (1 + FLIPS))


def _left_out(preparer: Preparer, case: Case, recipe: Recipe, plan: Plan) -> Floats:
    """Errors (R, n) of left-out samples by a recipe."""
    groups = case.groups if case.grouped else None
    told = predict_left_out(preparer, recipe.preprocessing, case.reference, plan, recipe.components, groups)
    return np.asarray(told[-1] - case.reference)


def _of_mean(reference: Floats, plan: Plan) -> Floats:
    """Errors (R, n) of telling the mean of the samples in the model."""
    mean = (plan.train.T @ reference) / plan.train.sum(axis=0)
    return np.asarray(mean[plan.at] - reference)


def _paired(case: Case, larger: Floats, smaller: Floats, among: Masks | None = None) -> float:
    """p value that errors (R, n) are larger than others (R', n) by chance alone."""
    difference: Floats = np.mean(larger**2, axis=0) - np.mean(smaller**2, axis=0)
    batch = case.batch
    if among is not None:
        difference, batch = difference[among], np.unique(batch[among], return_inverse=True)[1]
    return sign_flip(np.bincount(batch, weights=difference).astype(np.float64), case.seed)


def _skill(case: Case, errors: Floats, comparison: dict[str, float | None]) -> list[Finding]:
    of_mean = _of_mean(case.reference, case.plan)
    p = _paired(case, of_mean, errors)
    share = 1.0 - float(np.mean(errors**2) / np.mean(of_mean**2))
    comparison |= {"mean": short(rmse(of_mean)), "share": short(share), "p_skill": short(p)}
    facts = {"rmsecv": short(rmse(errors)), "mean": short(rmse(of_mean)), "share": short(share), "p": short(p)}
    code, severity = _weigh(share, p)
    return [Finding(code, severity, facts)] if code else []


def _weigh(share: float, p: float) -> tuple[str, Severity]:
    """Few batches cannot give a small p value: then a large share is unproven, not absent."""
    if share < NO_SHARE or (p > LEVEL and share < LITTLE_SHARE):
        return "no_skill", Severity.SERIOUS
    if p > LEVEL:
        return "unproven_skill", Severity.NOTE
    return ("little_skill", Severity.WARNING) if share < LITTLE_SHARE else ("", Severity.NOTE)


def _nested(
    case: Case, best: Mapping[str, Any], results: Sequence[Mapping[str, Any]], comparison: dict[str, float | None]
) -> list[Finding]:
    """Each fold judges the candidate that is best by all other folds."""
    size = np.bincount(case.plan.at.ravel()).astype(np.float64)
    folds = np.array([one["fold_mse"] for one in results if "rmsecv" in one]) * size
    others = folds.sum(axis=1, keepdims=True) - folds
    chosen = np.argmin(others, axis=0)
    nested = float(np.sqrt(folds[chosen, np.arange(len(size))].sum() / size.sum()))
    lowest = float(np.sqrt(folds.sum(axis=1).min() / size.sum()))
    comparison |= {"nested": short(nested), "lowest": short(lowest)}
    if nested > OPTIMISTIC * lowest:
        facts = {"nested": short(nested), "lowest": short(lowest), "candidates": len(folds)}
        return [Finding("search_optimism", Severity.WARNING, facts)]
    return []


def _random(case: Case, recipe: Recipe, errors: Floats, comparison: dict[str, float | None]) -> list[Finding]:
    if not case.grouped or len(np.unique(case.groups)) == len(case.groups):
        comparison["random"] = None
        return []
    plan = Plan.of_folds(len(case.reference), None, case.seed, case.space.folds, case.space.repeats)
    by_chance = _left_out(Preparer(case.axis, case.spectra), case, recipe, plan)
    comparison["random"] = short(rmse(by_chance))
    p = _paired(case, errors, by_chance)
    if p > LEVEL or rmse(errors) < WORSE * rmse(by_chance):
        return []
    facts = {"random": short(rmse(by_chance)), "grouped": short(rmse(errors)), "p": short(p)}
    return [Finding("random_flatters", Severity.WARNING, facts)]


def _later(case: Case, recipe: Recipe, errors: Floats, comparison: dict[str, float | None]) -> list[Finding]:
    """The last fifth of the batches by a model of those before, whose latent variables are chosen without them."""
    comparison |= {"later": None, "mean_later": None}
    later = None if case.measured_at is None else last_batches(case.batch, case.measured_at)
    if later is None:
        return []
    before = ~later
    known = case.batch[before]
    try:
        inner = Plan.of_folds(int(before.sum()), known, case.seed, case.space.folds, 1)
    except ScienceError:  # too few batches before
        return []
    preparer = Preparer(case.axis, case.spectra[before])
    told = predict_left_out(
        preparer, recipe.preprocessing, case.reference[before], inner, case.space.components, case.groups[before]
    )
    inner_errors = told - case.reference[before]
    recipe = recipe.with_components(fewest(inner_errors, np.unique(known, return_inverse=True)[1])[1])
    plan = Plan.holding_out(later)
    ahead = _left_out(Preparer(case.axis, case.spectra), case, recipe, plan)
    of_mean = _of_mean(case.reference, plan)
    told_later, told_mean, left = (float(rmse(one[:, later])) for one in (ahead, of_mean, errors))
    comparison |= {"later": short(told_later), "mean_later": short(told_mean)}
    facts = {"later": short(told_later), "grouped": short(left), "mean": short(told_mean), "count": int(later.sum())}
    found = []
    p = _paired(case, ahead, errors, later)
    if p <= LEVEL and told_later > WORSE * left:
        found.append(Finding("worse_later", Severity.WARNING, {**facts, "p": short(p)}))
    p = _paired(case, of_mean, ahead, later)
    share = 1.0 - (told_later / told_mean) ** 2
    code, severity = _weigh(share, p)
    if code:
        found.append(Finding(f"{code}_later", severity, {**facts, "share": short(share), "p": short(p)}))
    return found


def last_batches(batch: npt.NDArray[np.intp], measured_at: Sequence[Any] | npt.NDArray[Any]) -> Masks | None:
    """Which samples (n,) belong to the batches that were begun last, a fifth of the samples; None when times lack."""
    times = list(measured_at)
    if any(one is None or one != one for one in times):
        return None
    first: dict[int, Any] = {}
    for number, at in zip(batch.tolist(), times, strict=True):
        first[number] = min(first.get(number, at), at)
    order = sorted(first, key=lambda number: (first[number], number))
    size = np.bincount(batch)
    late = np.cumsum(size[order]) > (1.0 - LATER) * len(batch)
    chosen = {number for number, is_late in zip(order, late, strict=True) if is_late}
    return np.array([number in chosen for number in batch.tolist()])


def _amount(case: Case, best: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> list[Finding]:
    count, batches = len(case.reference), len(np.unique(case.groups))
    found = []
    least = 6 * (best["components"] + 1)  # ASTM E1655, for centred models
    if count < least:
        facts = {"count": count, "least": least, "components": best["components"]}
        found.append(Finding("few_for_components", Severity.WARNING, facts))
    if batches < FEW_BATCHES and len(results) > batches:
        facts = {"candidates": len(results), "batches": batches, "least": FEW_BATCHES}
        found.append(Finding("few_for_search", Severity.WARNING, facts))
    return found


def _edge(case: Case, best: Mapping[str, Any]) -> list[Finding]:
    most = len(best["rmsecv"])
    if most > 1 and best["components"] == most:
        return [Finding("edge_of_space", Severity.WARNING, {"components": most, "most": case.space.components})]
    return []
