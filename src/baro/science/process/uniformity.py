"""Uniformity of dosage units and mean content.

All contents are in percent of the label claim. Sources: USP <905> Uniformity of Dosage Units,
harmonised with Ph. Eur. 2.9.40 and JP 6.02; Ph. Eur. 2.9.47 Demonstration of uniformity of dosage
units using large sample sizes (8.0, 04/2013:20947).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from baro.science.errors import NoAcceptanceCriteriaError, UniformityError

L1 = 15.0
L2 = 25.0
STAGE_1_UNITS, STAGE_1_K = 10, 2.4
STAGE_2_UNITS, STAGE_2_K = 30, 2.0


class Verdict(StrEnum):
    COMPLIES = "complies"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class AcceptanceValue:
    """AV = |M - mean| + k s, all in percent of label; M is the reference value."""

    n: int
    mean: float
    sd: float
    reference: float
    k: float
    value: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of <905>. outside: units beyond M ± `L2` % of M (counted at both stages)."""

    acceptance: AcceptanceValue
    outside: int
    complies: bool


@dataclass(frozen=True, slots=True)
class DosageUniformity:
    """Result of <905>. UNDECIDED: stage 1 did not comply, and 20 more units are to be tested."""

    stage_1: Stage
    stage_2: Stage | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria of Ph. Eur. 2.9.47, alternative 1, for one sample size.

    Where the tabulated row is not known to us, it lies between (k_low, c2_high) and (k_high, c2_low).
    """

    k_low: float
    k_high: float
    c2_low: int
    c2_high: int

    @property
    def exact(self) -> bool:
        return self.k_low == self.k_high and self.c2_low == self.c2_high


@dataclass(frozen=True, slots=True)
class LargeSampleUniformity:
    """Result of Ph. Eur. 2.9.47, alternative 1.

    acceptance: with k_high, the strictest k the sample size can have. outside: units beyond
    M ± 25 % of M. exact: whether the tabulated criteria were used, or bounds of them.
    """

    acceptance: AcceptanceValue
    outside: int
    criteria: Criteria
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Assay:
    """Mean content against its specification [low, high], percent of label."""

    n: int
    mean: float
    sd: float
    low: float
    high: float
    complies: bool


def mean(values: npt.NDArray[np.float64]) -> float:
    """Mean of values (n,), from their exactly rounded sum, so that it is the same on every machine."""
    return math.fsum(values.tolist()) / values.size


def sd(values: npt.NDArray[np.float64]) -> float:
    """Sample standard deviation of values (n,), n >= 2, by exactly rounded sums."""
    squares = (values - mean(values)) ** 2
    return math.sqrt(math.fsum(squares.tolist()) / (values.size - 1))


def acceptance_value(contents: npt.ArrayLike, k: float, target: float = 100.0) -> AcceptanceValue:
    """Acceptance value of contents (n,), n >= 2, for a target T in percent of label.

    M is the mean itself where it lies in [98.5, 101.5] (or [98.5, T] when T > 101.5), else the
    nearer end of that interval. Raises UniformityError for fewer than 2 or not finite contents.
    """
    x = _contents(contents, 2)
    centre, spread = mean(x), sd(x)
    reference = min(max(centre, 98.5), max(101.5, target))
    return AcceptanceValue(x.size, centre, spread, reference, k, abs(reference - centre) + k * spread)


def dosage_uniformity(
    contents: npt.ArrayLike, target: float = 100.0, l1: float = L1, l2: float = L2
) -> DosageUniformity:
    """USP <905> on 10 units, or on all 30 (the first 10 are stage 1).

    Stage 1 complies with AV <= L1 for 10 units (k = 2.4). Stage 2 complies with AV <= L1 for 30
    units (k = 2.0; L1 again, not L2) and no unit beyond M ± L2 % of M, M from the 30.
    Raises UniformityError for another number of units.
    """
    x = _contents(contents, STAGE_1_UNITS)
    if x.size not in (STAGE_1_UNITS, STAGE_2_UNITS):
        raise UniformityError(f"<905> is judged on 10 or 30 units, not on {x.size}.")
    first = acceptance_value(x[:STAGE_1_UNITS], STAGE_1_K, target)
    passes = first.value <= l1
    stage_1 = Stage(first, _outside(x[:STAGE_1_UNITS], first.reference, l2), passes)
    if passes:
        return DosageUniformity(stage_1, None, Verdict.COMPLIES)
    if x.size == STAGE_1_UNITS:
        return DosageUniformity(stage_1, None, Verdict.UNDECIDED)
    both = acceptance_value(x, STAGE_2_K, target)
    outside = _outside(x, both.reference, l2)
    stage_2 = Stage(both, outside, both.value <= l1 and outside == 0)
    return DosageUniformity(stage_1, stage_2, Verdict.COMPLIES if stage_2.complies else Verdict.FAILS)


def large_sample_criteria(n: int) -> Criteria:
    """Criteria of Ph. Eur. 2.9.47, alternative 1, for n units.

    Known rows of the table, entered by rounding n down: n >= 385: k 2.23, c2 3; n >= 407: 2.24, 3;
    n >= 490: 2.24, 4 (the worked examples n = 400, 450, 500 of the chapter's text). The other rows
    were not available. For 100 <= n < 385 the criteria are therefore bounded: k grows with n,
    from 2.0 at n = 30 (2.9.40) to 2.23 at n = 385, and c2 from 0 to 3. Above 500 no bound is known.
    Raises NoAcceptanceCriteriaError for n < 100, where the chapter does not apply, and n > 500.
    """
    if 100 <= n < 385:
        return Criteria(STAGE_2_K, 2.23, 0, 3)
    if 385 <= n < 407:
        return Criteria(2.23, 2.23, 3, 3)
    if 407 <= n < 490:
        return Criteria(2.24, 2.24, 3, 3)
    if 490 <= n <= 500:
        return Criteria(2.24, 2.24, 4, 4)
    raise NoAcceptanceCriteriaError(f"Ph. Eur. 2.9.47 is available here for 100 to 500 units, not for {n}.")


def large_sample_uniformity(
    contents: npt.ArrayLike, target: float = 100.0, l1: float = L1, l2: float = L2
) -> LargeSampleUniformity:
    """Ph. Eur. 2.9.47, alternative 1 (parametric): AV <= L1 and at most c2 units beyond M ± L2 % of M.

    Where only bounds of the criteria are known (`large_sample_criteria`), the verdict is COMPLIES
    when the strictest criteria are met, FAILS when not even the mildest are, else UNDECIDED.
    Alternative 2 (counting) is not offered: its numbers c1 were not available.
    """
    x = _contents(contents, 1)
    criteria = large_sample_criteria(x.size)
    strict = acceptance_value(x, criteria.k_high, target)
    mild = acceptance_value(x, criteria.k_low, target)
    outside = _outside(x, strict.reference, l2)
    if strict.value <= l1 and outside <= criteria.c2_low:
        verdict = Verdict.COMPLIES
    elif mild.value > l1 or outside > criteria.c2_high:
        verdict = Verdict.FAILS
    else:
        verdict = Verdict.UNDECIDED
    return LargeSampleUniformity(strict, outside, criteria, verdict)


def assay(contents: npt.ArrayLike, low: float = 95.0, high: float = 105.0) -> Assay:
    """Mean content of contents (n,), n >= 2, against [low, high], unrounded."""
    x = _contents(contents, 2)
    centre = mean(x)
    return Assay(x.size, centre, sd(x), low, high, low <= centre <= high)


def _outside(x: npt.NDArray[np.float64], reference: float, l2: float) -> int:
    return int(np.count_nonzero(np.abs(x - reference) > 0.01 * l2 * reference))


def _contents(contents: npt.ArrayLike, least: int) -> npt.NDArray[np.float64]:
    x = np.asarray(contents, dtype=np.float64)
    if x.ndim != 1 or x.size < least:
        raise UniformityError(f"At least {least} contents are needed, in one row; got the shape {x.shape}.")
    if not np.isfinite(x).all():
        raise UniformityError("Every content must be a finite number.")
    return x
