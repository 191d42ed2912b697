"""The control strategy applied to what was observed. Pure functions: the same observations give the same
verdict, to the bit, when the worker judges live and when `baro verify` judges again years later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.apps.quality.models import CriterionKind, ReleaseCriterion
from baro.apps.release.models import CriterionState, VerdictState
from baro.science.errors import UniformityError
from baro.science.process import uniformity

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Missing:
    """What was not observed of a lot.

    spectra: how many are known to be missing. unknown: gaps of which nobody can say how many spectra they
    hold. silence: share (0 to 1) of the lot's duration in which its process values were not heard.
    """

    spectra: int = 0
    unknown: int = 0
    silence: float = 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """What is known of a lot.

    contents: (n,) % of label, of the usable spectra only, in order. spectra: how many were served and
    kept. outside: of them, those whose value must not be used. gaps: what is missing of its observations.
    tags: tag name → values (m,) of good quality. bad: tag name → how many values were not good.
    instruments: code → calibrated until. failed: codes of those of which a check against a standard failed.
    """

    contents: Floats
    spectra: int
    outside: int
    gaps: Missing
    tags: Mapping[str, Floats]
    bad: Mapping[str, int]
    instruments: Mapping[str, date]
    started_on: date
    complete: bool
    failed: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One criterion judged. `needs` says by a code why it is neither met nor not met."""

    state: CriterionState
    value: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int = 0
    facts: dict[str, float | int | str] = field(default_factory=dict)
    needs: str | None = None


def judge(criterion: ReleaseCriterion, observed: Observed) -> Judgement:
    """Judge one criterion by the function of its kind."""
    return _JUDGES[CriterionKind(criterion.kind)](criterion.parameters, observed)


def overall(states: Sequence[CriterionState], complete: bool) -> VerdictState:
    """The verdict of a lot from those of its criteria.

    A criterion not met fails the lot whatever else is open: a failed real-time release test is never
    replaced by another test (EMA/CHMP/QWP/811210/2009, Guideline on Real Time Release Testing).
    """
    if not complete:
        return VerdictState.COLLECTING
    if CriterionState.NOT_MET in states:
        return VerdictState.FAILED
    if all(state is CriterionState.MET for state in states):
        return VerdictState.ELIGIBLE
    return VerdictState.NEEDS_REVIEW


def _open(observed: Observed, needs: str, **facts: Any) -> Judgement:
    """Not enough to judge: still collecting, or for a person to look at when nothing more will come."""
    state = CriterionState.NEEDS_REVIEW if observed.complete else CriterionState.COLLECTING
    return Judgement(state, needs=needs, **facts)


def _verdict(good: bool) -> CriterionState:
    return CriterionState.MET if good else CriterionState.NOT_MET


def _assay_mean(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    n, low, high = len(observed.contents), float(limits["low"]), float(limits["high"])
    frame: dict[str, Any] = {"unit": "%", "low": low, "high": high, "n": n}
    if n < int(limits["minimum"]):
        return _open(observed, "too_few", **frame)
    result = uniformity.assay(observed.contents, low, high)
    return Judgement(_verdict(result.complies), result.mean, facts={"sd": result.sd}, **frame)


def _dosage_uniformity(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    """USP <905> on tablets spread evenly over the lot: 10, and 20 more where 10 do not decide."""
    n = len(observed.contents)
    frame: dict[str, Any] = {"low": None, "high": uniformity.L1}
    if n < uniformity.STAGE_2_UNITS:
        return _open(observed, "too_few", n=n, **frame)
    ten = _spread(n, uniformity.STAGE_1_UNITS)
    rest = np.setdiff1d(np.arange(n), ten)
    twenty = rest[_spread(len(rest), uniformity.STAGE_2_UNITS - uniformity.STAGE_1_UNITS)]
    result = uniformity.dosage_uniformity(observed.contents[np.concatenate([ten, twenty])])
    stage = result.stage_2 or result.stage_1
    av = stage.acceptance
    return Judgement(
        _verdict(result.verdict is uniformity.Verdict.COMPLIES),
        av.value,
        n=av.n,
        facts={
            "stage": 2 if result.stage_2 else 1,
            "mean": av.mean,
            "sd": av.sd,
            "outside_l2": stage.outside,
        },
        **frame,
    )


def _dosage_uniformity_large(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    """Ph. Eur. 2.9.47 on every usable tablet."""
    n = len(observed.contents)
    frame: dict[str, Any] = {"high": uniformity.L1, "n": n}
    if n < int(limits["minimum"]):
        return _open(observed, "too_few", **frame)
    try:
        result = uniformity.large_sample_uniformity(observed.contents)
    except UniformityError:
        return _open(observed, "no_acceptance_row", **frame)
    av = result.acceptance
    facts = {
        "mean": av.mean,
        "sd": av.sd,
        "k": av.k,
        "outside_l2": result.outside,
        "c2": result.criteria.c2_low,
    }
    if result.verdict is uniformity.Verdict.UNDECIDED:
        return _open(observed, "between_bounds", value=av.value, facts=facts, **frame)
    return Judgement(_verdict(result.verdict is uniformity.Verdict.COMPLIES), av.value, facts=facts, **frame)


def _model_space(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    """The share of spectra whose value may not be used. Too many say nothing of the product's quality,
    only that it was not measured: for a person to look at, never met, never failed."""
    high = float(limits["high"])
    frame: dict[str, Any] = {"unit": "%", "high": high, "n": observed.spectra}
    if observed.spectra < int(limits["minimum"]):
        return _open(observed, "too_few", **frame)
    share = 100.0 * observed.outside / observed.spectra
    good = share <= high
    return Judgement(
        CriterionState.MET if good else CriterionState.NEEDS_REVIEW,
        share,
        facts={"outside": observed.outside},
        needs=None if good else "outside_model",
        **frame,
    )


def _completeness(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    """The share of the spectra that were kept. A gap of unknown extent may hold any number of them."""
    gaps = observed.gaps
    served = observed.spectra + gaps.spectra
    share = 100.0 * observed.spectra / served if served else None
    low = float(limits["low"])
    frame: dict[str, Any] = {"value": share, "unit": "%", "low": low, "n": observed.spectra}
    facts: dict[str, float | int | str] = {"missing": gaps.spectra, "unknown_gaps": gaps.unknown}
    if observed.spectra < int(limits["minimum"]):
        return _open(observed, "too_few", facts=facts, **frame)
    if share is None or share < low or gaps.unknown:
        return Judgement(CriterionState.NEEDS_REVIEW, facts=facts, needs="gaps", **frame)
    return Judgement(CriterionState.MET, facts=facts, **frame)


def _process_parameter(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    """The share of the lot in which a tag was seen inside its proven acceptable range. A value of bad quality
    was not seen inside it, nor was anything while the source was silent. Out of the range is a deviation,
    which a person assesses; it does not by itself make the product bad."""
    bad = observed.bad.get(limits["tag"], 0)
    values = observed.tags.get(limits["tag"], np.empty(0))
    least = float(limits["minimum_share"])
    frame: dict[str, Any] = {
        "unit": limits["unit"],
        "low": limits["low"],
        "high": limits["high"],
        "n": len(values),
    }
    if len(values) < int(limits["minimum"]):
        return _open(observed, "too_few", **frame)
    inside = np.count_nonzero((values >= limits["low"]) & (values <= limits["high"]))
    share = 100.0 * float(inside) / (len(values) + bad) * (1.0 - observed.gaps.silence)
    good = share >= least
    return Judgement(
        CriterionState.MET if good else CriterionState.NEEDS_REVIEW,
        uniformity.mean(values),
        facts={
            "share_inside": share,
            "minimum_share": least,
            "min": float(values.min()),
            "max": float(values.max()),
            "bad": bad,
        },
        needs=None if good else "out_of_range" if 100.0 * inside < least * len(values) else "not_heard",
        **frame,
    )


def _instrument_status(limits: Mapping[str, Any], observed: Observed) -> Judgement:
    expired = sorted(code for code, until in observed.instruments.items() if until < observed.started_on)
    if not observed.instruments or expired:
        return Judgement(
            CriterionState.NEEDS_REVIEW,
            facts={"instruments": ", ".join(expired)},
            needs="calibration_expired",
        )
    if observed.failed:
        return Judgement(
            CriterionState.NEEDS_REVIEW,
            facts={"instruments": ", ".join(sorted(observed.failed))},
            needs="check_failed",
        )
    until = min(observed.instruments.values())
    return Judgement(
        CriterionState.MET,
        n=len(observed.instruments),
        facts={"instruments": ", ".join(sorted(observed.instruments)), "calibrated_until": until.isoformat()},
    )


def _spread(n: int, count: int) -> npt.NDArray[np.int64]:
    """`count` different positions spread evenly over 0 … n-1, by integers alone."""
    return (2 * np.arange(count, dtype=np.int64) + 1) * n // (2 * count)


_JUDGES: dict[CriterionKind, Callable[[Mapping[str, Any], Observed], Judgement]] = {
    CriterionKind.ASSAY_MEAN: _assay_mean,
    CriterionKind.DOSAGE_UNIFORMITY: _dosage_uniformity,
    CriterionKind.DOSAGE_UNIFORMITY_LARGE: _dosage_uniformity_large,
    CriterionKind.MODEL_SPACE: _model_space,
    CriterionKind.COMPLETENESS: _completeness,
    CriterionKind.PROCESS_PARAMETER: _process_parameter,
    CriterionKind.INSTRUMENT_STATUS: _instrument_status,
}
