"""Which samples to measure: transfer standards, calibration and test samples, the next ones of a model in use.

Every function works on points (n, d): spectra, or better the scores of a model, since two samples that the model cannot
tell apart teach it nothing. Positions come back in the order in which they were chosen, so a shorter list is the
beginning of a longer one (but for `d_optimal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from baro.science.chemometrics.model import Floats
from baro.science.chemometrics.operator import OnlineOperator, Status
from baro.science.errors import CalibrationDataError

LEAST_NEIGHBOUR = 0.25
"""Squared distance to the nearest calibration spectrum, for each latent variable, from which a sample is far: half a
standard deviation of every score."""


def kennard_stone(points: npt.ArrayLike, count: int, known: npt.ArrayLike | None = None) -> list[int]:
    """`count` positions that fill the space evenly, extremes first.

    Each is the point farthest from all that are chosen, beginning with the two farthest from each other, or with those
    of `known` (m, d), which are there already. Kennard & Stone, Technometrics 11 (1969) 137.
    Raises CalibrationDataError when there are fewer points than asked for.
    """
    x = _checked(points, count)
    if count == 0:
        return []
    if known is not None and np.size(known):
        near = np.min(cdist(x, np.atleast_2d(np.asarray(known, dtype=np.float64))), axis=1)
        chosen: list[int] = []
    else:
        first = _farthest_pair(x)
        chosen = first[:count]
        near = np.min(cdist(x, x[chosen]), axis=1)
    near[chosen] = -1.0
    while len(chosen) < count:
        position = int(np.argmax(near))
        chosen.append(position)
        near = np.minimum(near, cdist(x, x[position : position + 1])[:, 0])
        near[chosen] = -1.0
    return chosen


def duplex(points: npt.ArrayLike, count: int) -> tuple[list[int], list[int]]:
    """Two sets of `count` positions each that cover the same space: for calibration and test.

    In turn each set takes the point farthest from its own. Snee, Technometrics 19 (1977) 415.
    Raises CalibrationDataError when there are fewer than twice as many points, or fewer than two are asked for.
    """
    x = _checked(points, max(2 * count, 4))
    if count < 2:
        raise CalibrationDataError("Each of two sets needs at least two samples.")
    sets: tuple[list[int], list[int]] = ([], [])
    free = np.ones(len(x), bool)
    for own in sets:
        left = np.flatnonzero(free)
        own += [int(left[i]) for i in _farthest_pair(x[left])]
        free[own] = False
    near = [np.min(cdist(x, x[own]), axis=1) for own in sets]
    while len(sets[1]) < count:
        for own, distance in zip(sets, near, strict=True):
            position = int(np.argmax(np.where(free, distance, -1.0)))
            own.append(position)
            free[position] = False
            np.minimum(distance, cdist(x, x[position : position + 1])[:, 0], out=distance)
    return sets


def by_leverage(points: npt.ArrayLike, count: int) -> list[int]:
    """`count` positions of the greatest leverage, each after what the chosen ones explain is taken from the others.

    The choice of transfer standards of Wang, Veltkamp & Kowalski, Anal. Chem. 63 (1991) 2750. Leverage is of centred
    points. When nothing is left to explain, the rest is chosen anew from those that are free.
    Raises CalibrationDataError when there are fewer points than asked for.
    """
    x = _checked(points, count)
    u, s, _ = np.linalg.svd(x - np.mean(x, axis=0), full_matrices=False)
    whole = u[:, s > 1e-10 * max(s[0], 1e-300)]
    rest = whole.copy()
    chosen: list[int] = []
    free = np.ones(len(x), bool)
    while len(chosen) < count:
        leverage = np.where(free, np.sum(rest**2, axis=1), -1.0)
        position = int(np.argmax(leverage))
        if leverage[position] < 1e-10 and whole.size:
            rest = whole.copy()
            position = int(np.argmax(np.where(free, np.sum(rest**2, axis=1), -1.0)))
        chosen.append(position)
        free[position] = False
        if (size := float(np.linalg.norm(rest[position]))) > 0.0:
            along = rest[position] / size
            rest = rest - np.outer(rest @ along, along)
    return chosen


def d_optimal(points: npt.ArrayLike, count: int, known: npt.ArrayLike | None = None, rounds: int = 100) -> list[int]:
    """`count` positions that, with those of `known` (m, d), make the determinant of the information matrix large.

    The model is linear with an intercept. From the choice of Kennard and Stone points are exchanged for better ones as
    long as that helps: Fedorov, Theory of Optimal Experiments (1972); Miller & Nguyen, Appl. Stat. 43 (1994) 669.
    A local optimum. Raises CalibrationDataError when there are fewer points than asked for, or too few for the model.
    """
    x = _checked(points, count)
    rows = np.column_stack([np.ones(len(x)), x])
    base = np.zeros((rows.shape[1],) * 2)
    held = 0
    if known is not None and np.size(known):
        there = np.atleast_2d(np.asarray(known, dtype=np.float64))
        there = np.column_stack([np.ones(len(there)), there])
        base, held = there.T @ there, len(there)
    if count + held < rows.shape[1]:
        raise CalibrationDataError(
            f"{count + held} samples are too few for {rows.shape[1]} coefficients: at least as many are needed."
        )
    chosen = kennard_stone(x, count, known)
    # so that points in one plane have a determinant too; far below anything that is measured
    base = base + 1e-10 * np.mean(np.sum(rows**2, axis=1)) * np.eye(len(base))
    for _ in range(rounds):
        inverse = np.linalg.inv(base + rows[chosen].T @ rows[chosen])
        cross = rows[chosen] @ inverse @ rows.T
        own = cross[np.arange(len(chosen)), chosen]
        of_all = np.einsum("ij,jk,ik->i", rows, inverse, rows)
        # |M - aa' + bb'| / |M| = 1 + (d_b - d_a) - (d_a d_b - d_ab²)
        gain = of_all[None, :] - own[:, None] - (own[:, None] * of_all[None, :] - cross**2)
        gain[:, chosen] = -np.inf
        out, into = np.unravel_index(int(np.argmax(gain)), gain.shape)
        if not gain[out, into] > 1e-9:
            break
        chosen[int(out)] = int(into)
    return chosen


class Why(StrEnum):
    """Why a sample is worth measuring."""

    OUTSIDE = "outside"
    BEYOND = "beyond"
    FAR = "far"
    FILLS = "fills"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One sample that is worth a reference value. position: among the spectra that were given. facts: numbers."""

    position: int
    why: Why
    facts: dict[str, Any] = field(default_factory=dict)


def next_samples(
    operator: OnlineOperator, spectra: npt.NDArray[Any], count: int, known: npt.ArrayLike | None = None
) -> Sequence[Suggestion]:
    """Up to `count` of spectra (n, p) of a model in use whose reference values would teach it most, best first.

    They fill the space of the model's scores beside its calibration spectra (Kennard and Stone, distances in standard
    deviations of each score). The reason is the strongest of: outside the model's limits, predicted beyond the
    calibration's range, far from every calibration spectrum, or fills the space.
    known: (m, p) spectra measured already since then. Spectra that cannot be predicted are not suggested.
    """
    results = operator.predict_block(np.asarray(spectra))
    sound = np.flatnonzero(results.status == Status.OK)
    model = operator.model
    scale = 1.0 / np.sqrt(model.score_variance)
    there = [getattr(model, "scores", np.empty((0, scale.size))) * scale]
    if known is not None and np.size(known):
        before = operator.predict_block(np.atleast_2d(np.asarray(known)))
        there.append(before.scores[before.status == Status.OK] * scale)
    held = np.vstack(there)
    points = results.scores[sound] * scale
    low, high = model.reference_range
    beyond = operator.extrapolated(results)
    suggested = []
    for local in kennard_stone(points, min(count, len(sound)), held if len(held) else None):
        at = int(sound[local])
        distance = float(np.min(cdist(points[local : local + 1], held))) if len(held) else None
        held = np.vstack([held, points[local]])
        facts: dict[str, Any] = {"value": float(results.value[at]), "t2": float(results.t2[at])}
        facts |= {"q": float(results.q[at]), "distance": distance}
        if not results.inside[at]:
            why = Why.OUTSIDE
            facts |= {"t2_limit": model.limits.t2_outlier, "q_limit": model.limits.q_outlier}
        elif beyond[at]:
            why = Why.BEYOND
            facts |= {"low": low, "high": high}
        elif distance is None or distance**2 > LEAST_NEIGHBOUR * scale.size:
            why = Why.FAR
        else:
            why = Why.FILLS
        suggested.append(Suggestion(at, why, facts))
    return suggested


def _farthest_pair(x: Floats) -> list[int]:
    """Blockwise, so that 10,000 points need no matrix of 10,000 by 10,000."""
    best, pair = -1.0, [0, min(1, len(x) - 1)]
    for start in range(0, len(x), 1024):
        distances = cdist(x[start : start + 1024], x)
        at = int(np.argmax(distances))
        row, column = divmod(at, distances.shape[1])
        if distances[row, column] > best:
            best, pair = float(distances[row, column]), [start + row, column]
    return pair


def _checked(points: npt.ArrayLike, count: int) -> Floats:
    x = np.asarray(points, dtype=np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise CalibrationDataError("Points to choose from are rows of finite numbers.")
    if not 0 <= count <= len(x):
        raise CalibrationDataError(f"{count} of {len(x)} samples cannot be chosen.")
    return x
