"""The inner loops of the search, compiled by numba so that threads run beside each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from baro.science.chemometrics import _chain, _kernels

_apply = _chain.apply
LANES = _kernels.LANES
TINY = 1e-14


def _compiled(function: Callable[..., Any]) -> Any:
    """`function` compiled without the interpreter's lock, cached on disk where a folder for that can be written."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder to keep its cache in
        return njit(nogil=True, error_model="numpy")(function)


@_compiled
def apply_rows(x: Any, layout: Any, numbers: Any, out: Any, work: Any) -> None:
    """Run a program on every row of x (n, p); out: (n, q). work: (7, most channels) scratch."""
    lanes = np.empty(LANES)
    for i in range(x.shape[0]):
        _apply(x[i], layout, numbers, work[6], work, lanes)
        for j in range(out.shape[1]):
            out[i, j] = work[6, j]


@_compiled
def left_out(z: Any, weights: Any, y: Any, train: Any, at: Any, out: Any) -> None:
    """Predictions of samples by models that they were left out of, for 1 to A latent variables at once.

    Improved kernel PLS, algorithm 1 (Dayal & MacGregor, J. Chemom. 11 (1997) 85), for one property; all models advance
    together, so that what is spent are a few products of matrices. z: (n, d) spectra, or coordinates of them in any
    orthonormal basis. weights: (n, C) a factor of each spectrum in each model, or (0, 0) for none. y: (n, C) reference
    values. train: (n, C) 1.0 where a sample is in the model, else 0.0. at: (R, n) the model whose prediction is asked
    for. out: (A, R, n).

    A model that has nothing left to explain (the covariance is down to rounding) stays as it is.
    """
    n, d = z.shape
    count = y.shape[1]
    most = out.shape[0]
    weighted = weights.shape[0] > 0
    target = np.empty((n, count))
    scaled = np.empty((n, count))
    prediction = np.empty((n, count))
    members = np.zeros(count)
    level = np.zeros(count)
    for i in range(n):
        for c in range(count):
            members[c] += train[i, c]
            level[c] += train[i, c] * y[i, c]
    for c in range(count):
        level[c] /= members[c]
    for i in range(n):
        for c in range(count):
            target[i, c] = train[i, c] * (y[i, c] - level[c])
            prediction[i, c] = level[c]
            scaled[i, c] = train[i, c] * weights[i, c] if weighted else train[i, c]
    mean = np.dot(z.T, scaled)
    for j in range(d):
        for c in range(count):
            mean[j, c] /= members[c]
    for i in range(n):
        for c in range(count):
            scaled[i, c] = target[i, c] * weights[i, c] if weighted else target[i, c]
    covariance = np.dot(z.T, scaled)
    first = np.zeros(count)
    for j in range(d):
        for c in range(count):
            first[c] += covariance[j, c] * covariance[j, c]
    rotations = np.zeros((most, d, count))
    loadings = np.zeros((most, d, count))
    size, inner, shift, square, weight = (
        np.empty(count),
        np.empty(count),
        np.empty(count),
        np.empty(count),
        np.empty(count),
    )
    alive = np.ones(count)
    for a in range(most):
        w, r = np.empty((d, count)), rotations[a]
        size[:] = 0.0
        for j in range(d):
            for c in range(count):
                size[c] += covariance[j, c] * covariance[j, c]
        for c in range(count):
            if not size[c] > TINY * TINY * first[c]:
                alive[c] = 0.0
            size[c] = 1.0 / np.sqrt(size[c]) if alive[c] > 0.0 else 0.0
        for j in range(d):
            for c in range(count):
                w[j, c] = covariance[j, c] * size[c]
                r[j, c] = w[j, c]
        for b in range(a):
            inner[:] = 0.0
            for j in range(d):
                for c in range(count):
                    inner[c] += loadings[b, j, c] * w[j, c]
            for j in range(d):
                for c in range(count):
                    r[j, c] -= inner[c] * rotations[b, j, c]
        scores = np.dot(z, r)
        shift[:] = 0.0
        weight[:] = 0.0
        for j in range(d):
            for c in range(count):
                shift[c] += mean[j, c] * r[j, c]
                weight[c] += covariance[j, c] * r[j, c]
        square[:] = 0.0
        for i in range(n):
            for c in range(count):
                value = scores[i, c] * weights[i, c] if weighted else scores[i, c]
                value -= shift[c]
                scores[i, c] = value
                value *= train[i, c]
                square[c] += value * value
                scaled[i, c] = value * weights[i, c] if weighted else value
        for c in range(count):
            if square[c] > 0.0:
                weight[c] /= square[c]
                square[c] = 1.0 / square[c]
            else:
                weight[c], square[c], alive[c] = 0.0, 0.0, 0.0
        loading = np.dot(z.T, scaled)
        for j in range(d):
            for c in range(count):
                value = loading[j, c] * square[c]
                loadings[a, j, c] = value
                covariance[j, c] -= loading[j, c] * weight[c]
        for i in range(n):
            for c in range(count):
                prediction[i, c] += scores[i, c] * weight[c]
        for repeat in range(at.shape[0]):
            for i in range(n):
                out[a, repeat, i] = prediction[i, at[repeat, i]]
