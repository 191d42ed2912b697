"""Precision from samples that were measured again (ICH Q2(R2): repeatability and intermediate precision)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation, in the unit of the values, with its interval and degrees of freedom."""

    sd: float
    interval: Interval
    df: float


@dataclass(frozen=True, slots=True)
class Precision:
    """repeatability: within a run. intermediate: between runs too. None where the design does not tell it."""

    repeatability: Spread | None
    intermediate: Spread | None
    samples: int


def sd_interval(sd: float, df: float, confidence: float = 0.95) -> Interval:
    """Interval of a standard deviation of normal values with `df` degrees of freedom (chi-squared)."""
    tail = (1.0 - confidence) / 2.0
    high, low = stats.chi2.ppf([tail, 1.0 - tail], df)
    return float(sd * np.sqrt(df / low)), float(sd * np.sqrt(df / high))


def precision(
    predicted: Floats, samples: Sequence[str], runs: Sequence[str] | None, confidence: float = 0.95
) -> Precision | None:
    """Analysis of variance of values (n,) by sample, and by run within sample where runs are named.

    Without runs the spread within a sample is the repeatability. With runs it is split: the mean square within runs
    is the repeatability's variance; the component between runs is (MS_run - MS_within) / n0 with n0 the mean size of
    a run for unequal sizes, not below zero; their sum is intermediate precision, with Satterthwaite's degrees of
    freedom (Biometrics Bulletin 2 (1946) 110). None when no sample was measured again.
    """
    names, counts = np.unique(np.asarray(samples, dtype=str), return_counts=True)
    again = set(names[counts > 1].tolist())
    rows = [i for i, name in enumerate(samples) if name in again]
    if not rows:
        return None
    value = predicted[rows]
    sample = [samples[i] for i in rows]
    if runs is None:
        squares, df = _within(value, sample)
        return Precision(_spread(squares / df, df, confidence), None, len(again))
    cell = [(samples[i], runs[i]) for i in rows]
    squares, df = _within(value, cell)
    total, total_df = _within(value, sample)
    between_df = total_df - df
    inner = _spread(squares / df, df, confidence) if df else None
    if not between_df:
        return Precision(inner, None, len(again))
    if not df:
        return Precision(None, _spread(total / total_df, total_df, confidence), len(again))
    between = (total - squares) / between_df
    size = _mean_size(sample, cell, between_df)
    error = squares / df
    if between <= error:
        return Precision(inner, _spread(error, df, confidence), len(again))
    parts = np.array([between / size, (1.0 - 1.0 / size) * error])
    variance = float(parts.sum())
    freedom = variance**2 / float(np.sum(parts**2 / np.array([between_df, df])))
    return Precision(inner, _spread(variance, freedom, confidence), len(again))


def _within(value: Floats, cells: Sequence[object]) -> tuple[float, int]:
    """Sum of squares about the mean of each cell, and its degrees of freedom."""
    codes = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
    at = np.array([codes[cell] for cell in cells])
    counts = np.bincount(at)
    means = np.bincount(at, value) / counts
    return float(np.sum((value - means[at]) ** 2)), len(value) - len(codes)


def _mean_size(sample: Sequence[str], cell: Sequence[tuple[str, str]], between_df: int) -> float:
    """n0 of a nested design with unequal numbers (Sokal & Rohlf, Biometry)."""
    total = 0.0
    for name in dict.fromkeys(sample):
        sizes = np.array([cell.count(one) for one in dict.fromkeys(c for c in cell if c[0] == name)], float)
        total += float(sizes.sum() - np.sum(sizes**2) / sizes.sum())
    return total / between_df


def _spread(variance: float, df: float, confidence: float) -> Spread:
    sd = float(np.sqrt(variance))
    return Spread(sd, sd_interval(sd, df, confidence), float(df))
