"""Figures of a validation with their confidence intervals.

Terms and content: ICH Q2(R2). Bias, SEP, slope: ISO 12099:2017. The error of the reference method's share in RMSEP:
Faber & Kowalski, Appl. Spectrosc. 51 (1997) 660. Shares: Clopper & Pearson, Biometrika 26 (1934) 404.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from baro.science.errors import ValidationDataError
from baro.science.validation.precision import Precision, Spread, precision, sd_interval

CONFIDENCE = 0.95
DRAWS = 2000
SEED = 20260101
ENOUGH_GROUPS = 8
"""From so many batches on, the bootstrap draws whole batches, whose samples are not independent of each other."""
LEVELS = ("low", "middle", "high")

Floats = npt.NDArray[np.float64]


def figures(
    reference: npt.ArrayLike,
    predicted: npt.ArrayLike,
    *,
    groups: Sequence[str] | None = None,
    repeats: Sequence[str] | None = None,
    runs: Sequence[str] | None = None,
    reference_error: float | None = None,
    t2: npt.ArrayLike | None = None,
    q: npt.ArrayLike | None = None,
    limits: tuple[float, float] | None = None,
    refused: Sequence[bool] | None = None,
    seed: int = SEED,
) -> dict[str, Any]:
    """Everything that n pairs of reference and predicted values (n,) tell; error is predicted - reference.

    groups: batch of each. repeats: sample of each, equal for one measured again; runs: day or run of each.
    reference_error: standard deviation of the reference method, same unit. t2, q: (n,) with `limits` of both, to
    measure false alarms. refused: of samples that must be refused, which were (specificity).

    Numbers stand under their names, None where they could not be computed: rmsep (divisor n), bias, sep (divisor
    n - 1), slope and intercept of predicted on reference, r2 = 1 - SSE / SST, rpd = SD of reference / SEP; shares in
    percent. `intervals` holds low and high of each, 95 %: bias by t, sep by chi-squared, slope and intercept by
    regression, rmsep, r2 and rpd by a percentile bootstrap of `DRAWS` draws with `seed`, shares exactly.
    Raises ValidationDataError.
    """
    y, z = np.asarray(reference, np.float64), np.asarray(predicted, np.float64)
    if y.ndim != 1 or y.shape != z.shape or not (np.isfinite(y).all() and np.isfinite(z).all()):
        raise ValidationDataError
    out: dict[str, Any] = {"n": len(y), "confidence": CONFIDENCE, "intervals": {}}
    if len(y) > 2 and np.ptp(y) > 0.0:
        _errors(out, y, z)
        _bootstrap(out, y, z, groups, seed)
        _linearity(out, y, z)
        _levels(out, y, z)
        _reference(out, reference_error)
    _precision(out, precision(z, repeats, runs) if repeats is not None else None)
    if t2 is not None and q is not None and limits is not None:
        high_t2, high_q = np.asarray(t2) > limits[0], np.asarray(q) > limits[1]
        _share(out, "t2_alarms", high_t2)
        _share(out, "q_alarms", high_q)
        _share(out, "outside", high_t2 | high_q)
    if refused is not None and len(refused):
        _share(out, "specificity", np.asarray(refused, bool))
    return out


def _errors(out: dict[str, Any], y: Floats, z: Floats) -> None:
    n, error = len(y), z - y
    bias, sep = float(error.mean()), float(error.std(ddof=1))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, n - 1) * sep / np.sqrt(n))
    out |= {"rmsep": _rms(error), "bias": bias, "sep": sep, "bias_significant": abs(bias) > half}
    out["intervals"] |= {"bias": [bias - half, bias + half], "sep": list(sd_interval(sep, n - 1, CONFIDENCE))}
    out["range"] = [float(y.min()), float(y.max())]
    out["r2"] = 1.0 - float(np.sum(error**2) / np.sum((y - y.mean()) ** 2))
    out["rpd"] = float(y.std(ddof=1)) / sep if sep > 0.0 else None


def _bootstrap(out: dict[str, Any], y: Floats, z: Floats, groups: Sequence[str] | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(groups)) if groups is not None else []
    by_group = len(names) >= ENOUGH_GROUPS
    if by_group and groups is not None:
        code = {name: i for i, name in enumerate(names)}
        at = np.array([code[name] for name in groups])
        weights = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), DRAWS)[:, at].astype(float)
    else:
        weights = rng.multinomial(len(y), np.full(len(y), 1.0 / len(y)), DRAWS).astype(float)
    total = weights.sum(axis=1)
    error = z - y
    squares, bias = weights @ error**2 / total, weights @ error / total
    spread = weights @ y**2 / total - (weights @ y / total) ** 2
    good = spread > 1e-12 * max(float(np.var(y)), 1e-300)
    sep2 = squares - bias**2
    out["intervals"]["rmsep"] = _percentiles(np.sqrt(squares))
    out["intervals"]["r2"] = _percentiles(1.0 - squares[good] / spread[good])
    sound = good & (sep2 > 0.0)
    if out["rpd"] is not None and sound.any():
        out["intervals"]["rpd"] = _percentiles(np.sqrt(spread[sound] / sep2[sound]))
    out["rmsep_upper"] = out["intervals"]["rmsep"][1]
    out["bootstrap"] = {"draws": DRAWS, "seed": seed, "of": "batch" if by_group else "sample"}


def _linearity(out: dict[str, Any], y: Floats, z: Floats) -> None:
    """Predicted on reference: line, joint test of slope 1 and intercept 0, curvature, runs of the residuals' sign."""
    n = len(y)
    line = stats.linregress(y, z)
    t = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, n - 2))
    out |= {"slope": float(line.slope), "intercept": float(line.intercept)}
    out["intervals"] |= {
        "slope": [float(line.slope - t * line.stderr), float(line.slope + t * line.stderr)],
        "intercept": [
            float(line.intercept - t * line.intercept_stderr),
            float(line.intercept + t * line.intercept_stderr),
        ],
    }
    residual = z - line.intercept - line.slope * y
    variance = float(np.sum(residual**2)) / (n - 2)
    away = (line.slope - 1.0) * y + line.intercept
    joint = float(stats.f.sf(np.sum(away**2) / 2.0 / variance, 2, n - 2)) if variance > 0.0 else None
    out["linearity_p"] = joint
    out["linearity"] = {
        "r": float(line.rvalue),
        "residual_sd": float(np.sqrt(variance)),
        "joint_p": joint,
        "curvature_p": _curvature(y, z),
        "runs_p": _runs(residual[np.argsort(y, kind="stable")]),
    }


def _curvature(y: Floats, z: Floats) -> float | None:
    """p of the quadratic term; None when there are not three different values and one more."""
    n = len(y)
    if n < 4 or len(np.unique(y)) < 3:
        return None
    x = (y - y.mean()) / y.std()
    design = np.stack([np.ones(n), x, x**2], axis=1)
    found = np.linalg.lstsq(design, z, rcond=None)[0]
    variance = float(np.sum((z - design @ found) ** 2)) / (n - 3)
    if variance <= 0.0:
        return None
    error = np.sqrt(variance * np.linalg.inv(design.T @ design)[2, 2])
    return float(2.0 * stats.t.sf(abs(found[2]) / error, n - 3))


def _runs(residual: Floats) -> float | None:
    """Wald & Wolfowitz' test of runs about zero, normal approximation; None below ten values on either side."""
    up = residual > 0.0
    a, b = int(np.count_nonzero(up)), int(np.count_nonzero(~up))
    if min(a, b) < 10:
        return None
    runs = 1 + int(np.count_nonzero(up[1:] != up[:-1]))
    mean = 2.0 * a * b / (a + b) + 1.0
    variance = (mean - 1.0) * (mean - 2.0) / (a + b - 1.0)
    return float(2.0 * stats.norm.sf(abs(runs - mean) / np.sqrt(variance)))


def _levels(out: dict[str, Any], y: Floats, z: Floats) -> None:
    """Accuracy at three levels: thirds of the range of the reference values (ICH Q2(R2): at least three)."""
    low, high = float(y.min()), float(y.max())
    edges = np.linspace(low, high, 4)
    third = np.clip(np.searchsorted(edges, y, side="right") - 1, 0, 2)
    rows = []
    for i, name in enumerate(LEVELS):
        chosen = third == i
        count = int(np.count_nonzero(chosen))
        row: dict[str, Any] = {"level": name, "from": float(edges[i]), "to": float(edges[i + 1]), "n": count}
        row |= {"bias": None, "recovery": None, "interval": None}
        if count:
            row["bias"] = float(np.mean(z[chosen] - y[chosen]))
            if low > 0.0:
                share = 100.0 * z[chosen] / y[chosen]
                row["recovery"] = float(share.mean())
                if count > 1:
                    half = stats.t.ppf(0.5 + CONFIDENCE / 2.0, count - 1) * share.std(ddof=1) / np.sqrt(count)
                    row["interval"] = [float(share.mean() - half), float(share.mean() + half)]
        out[f"recovery_{name}"] = row["recovery"]
        if row["interval"]:
            out["intervals"][f"recovery_{name}"] = row["interval"]
        rows.append(row)
    out["levels"] = rows


def _reference(out: dict[str, Any], error: float | None) -> None:
    """SEP beside the reference method's own error, and what is left of it when that is taken off."""
    out["reference_ratio"] = None
    if error is None or error <= 0.0:
        return
    rest = out["sep"] ** 2 - error**2
    out["reference_ratio"] = out["sep"] / error
    out["intervals"]["reference_ratio"] = [end / error for end in out["intervals"]["sep"]]
    out["reference"] = {"error": error, "sep_without": float(np.sqrt(rest)) if rest > 0.0 else None}


def _precision(out: dict[str, Any], found: Precision | None) -> None:
    out |= {"repeatability": None, "intermediate_precision": None}
    if found is None:
        return
    told: tuple[tuple[str, Spread | None], ...] = (
        ("repeatability", found.repeatability),
        ("intermediate_precision", found.intermediate),
    )
    out["precision"] = {"samples": found.samples}
    for name, spread in told:
        if spread is not None:
            out[name] = spread.sd
            out["intervals"][name] = list(spread.interval)
            out["precision"][f"{name}_df"] = spread.df


def _share(out: dict[str, Any], name: str, hits: npt.NDArray[np.bool_]) -> None:
    if not len(hits):
        out[name] = None
        return
    count = int(np.count_nonzero(hits))
    interval = stats.binomtest(count, len(hits)).proportion_ci(CONFIDENCE, "exact")
    out[name] = 100.0 * count / len(hits)
    out["intervals"][name] = [100.0 * float(interval.low), 100.0 * float(interval.high)]


def _rms(error: Floats) -> float:
    return float(np.sqrt(np.mean(error**2)))


def _percentiles(values: Floats) -> list[float]:
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.percentile(values, [tail, 100.0 - tail])
    return [float(low), float(high)]
