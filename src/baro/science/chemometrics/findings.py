"""What speaks against data or a model, as facts. The words for people are elsewhere, in their language.

Nothing here removes a sample: a finding names what was found, and somebody decides.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist, squareform

Floats = npt.NDArray[np.float64]

FEW_SAMPLES, FEW_BATCHES = 20, 6
GAP_SHARE = 0.2
NAMED_MOST = 20


class Severity(StrEnum):
    """How much a finding weighs."""

    NOTE = "note"
    WARNING = "warning"
    SERIOUS = "serious"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. code: what, from the table in `pat.words`. facts: numbers and names that its sentence
    needs. samples: which ones, the first of many."""

    code: str
    severity: Severity
    facts: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "severity": self.severity.value,
            "facts": dict(self.facts),
            "samples": list(self.samples[:NAMED_MOST]),
        }


def data_findings(
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    groups: Sequence[str],
    samples: Sequence[str],
    reference_error: float | None = None,
) -> list[Finding]:
    """What is odd about spectra (n, p), reference values (n,) in any unit (NaN: none), batches and names (n).

    reference_error: standard deviation of the reference method in the same unit; without it repeated references have to
    agree exactly.
    """
    x = np.asarray(spectra)
    y = np.asarray(reference, dtype=np.float64)
    return [
        *_amount(len(x), groups),
        *_channels(x, samples),
        *_duplicates(x, y, groups, samples, reference_error),
        *_range(y, samples, reference_error),
    ]


def spectrum_digest(spectrum: npt.NDArray[Any]) -> str:
    """SHA-256 (hex) of a spectrum's values as float32."""
    return hashlib.sha256(np.ascontiguousarray(spectrum, dtype="<f4").tobytes()).hexdigest()


def overlap(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """What two lists (digests, batches) have in common, in the order of the first."""
    known = set(other)
    return [name for name in dict.fromkeys(one) if name in known]


def _amount(count: int, groups: Sequence[str]) -> list[Finding]:
    found = []
    batches = len(set(groups))
    if count < FEW_SAMPLES:
        found.append(Finding("few_samples", Severity.SERIOUS, {"count": count, "least": FEW_SAMPLES}))
    if batches == 1:
        found.append(Finding("one_batch", Severity.SERIOUS, {"count": count}))
    elif batches < FEW_BATCHES:
        found.append(Finding("few_batches", Severity.WARNING, {"batches": batches, "least": FEW_BATCHES}))
    return found


def _channels(x: Floats, samples: Sequence[str]) -> list[Finding]:
    found = []
    if len(x) > 1 and (still := int(np.count_nonzero(np.ptp(x, axis=0) == 0.0))):
        found.append(Finding("constant_channels", Severity.WARNING, {"channels": still, "of": x.shape[1]}))
    flat = np.flatnonzero([np.std(row) <= 1e-9 * abs(np.mean(row)) for row in (one.astype(np.float64) for one in x)])
    if flat.size:
        names = tuple(samples[int(i)] for i in flat)
        found.append(Finding("flat_spectra", Severity.SERIOUS, {"count": int(flat.size)}, names))
    return found


def _duplicates(
    x: Floats, y: Floats, groups: Sequence[str], samples: Sequence[str], error: float | None
) -> list[Finding]:
    """Equal spectra, nearly equal ones in different batches, and samples whose repeated references disagree."""
    found = []
    same: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(x):
        same[spectrum_digest(row)].append(i)
    doubled = [group for group in same.values() if len(group) > 1]
    if doubled:
        apart = [group for group in doubled if len({groups[i] for i in group}) > 1]
        facts = {"count": sum(len(group) - 1 for group in doubled), "batches": len(apart)}
        severity = Severity.SERIOUS if apart else Severity.WARNING
        found.append(Finding("equal_spectra", severity, facts, _names(doubled, samples)))
    again: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(samples):
        again[name].append(i)
    repeated = [group for group in [*doubled, *again.values()] if len(group) > 1]
    tolerance = 0.0 if error is None else 3.0 * np.sqrt(2.0) * error
    differ = [group for group in repeated if np.nanmax(y[group]) - np.nanmin(y[group]) > tolerance]
    if differ:
        worst = max(float(np.nanmax(y[group]) - np.nanmin(y[group])) for group in differ)
        told = {"count": len(differ), "worst": worst, "tolerance": float(tolerance)}
        found.append(Finding("references_disagree", Severity.SERIOUS, told, _names(differ, samples)))
    torn = [group for group in again.values() if len({groups[i] for i in group}) > 1]
    if torn:
        found.append(Finding("split_batches", Severity.SERIOUS, {"count": len(torn)}, _names(torn, samples)))
    elif near := _near(x, groups):
        found.append(Finding("split_batches", Severity.SERIOUS, {"count": len(near)}, _names(near, samples)))
    return found


def _near(x: Floats, groups: Sequence[str]) -> list[list[int]]:
    """Pairs of different batches that are much closer to each other than spectra of different batches usually are.

    Repeated measurements of one sample that got into two batches. Distances are between spectra scaled to mean 0 and
    standard deviation 1; a pair is near below a hundredth of the median distance. Up to 2,000 spectra are looked at.
    """
    if len(x) < 4 or len(x) > 2000 or len(set(groups)) < 2:
        return []
    x = x.astype(np.float64)
    spread = np.std(x, axis=1, keepdims=True)
    scaled = (x - np.mean(x, axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    far = squareform(pdist(scaled))
    labels = np.asarray(groups)
    others = labels[:, None] != labels[None, :]
    upper = np.triu(others, 1)
    if not upper.any():
        return []
    usual = float(np.median(far[upper]))
    rows, columns = np.nonzero(upper & (far < 0.01 * usual) & (far > 0.0))
    return [[int(i), int(j)] for i, j in zip(rows, columns, strict=True)]


def _range(y: Floats, samples: Sequence[str], error: float | None) -> list[Finding]:
    known = np.sort(y[np.isfinite(y)])
    found = []
    missing = [samples[int(i)] for i in np.flatnonzero(~np.isfinite(y))]
    if missing:
        found.append(Finding("no_reference", Severity.NOTE, {"count": len(missing)}, tuple(missing)))
    if known.size < 3 or known[0] == known[-1]:
        return found
    steps = np.diff(known)
    widest = int(np.argmax(steps))
    share = float(steps[widest] / (known[-1] - known[0]))
    # of evenly drawn values the widest step shrinks with their number; ten times that is no chance
    if share > max(GAP_SHARE, 10.0 / known.size):
        facts = {"low": float(known[widest]), "high": float(known[widest + 1]), "share": share}
        found.append(Finding("range_gap", Severity.WARNING, facts))
    if error is not None and error > 0 and np.std(known, ddof=1) < 2.0 * error:
        facts = {"spread": float(np.std(known, ddof=1)), "error": float(error)}
        found.append(Finding("range_too_small", Severity.SERIOUS, facts))
    return found


def _names(groups: Sequence[Sequence[int]], samples: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(samples[i] for group in groups for i in group))
