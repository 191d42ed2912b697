"""The arithmetic of identity online: a program's spectrum against a class or a library. Habits as in `_kernels`."""

from __future__ import annotations

from typing import Any

import numpy as np

from baro.science.chemometrics._chain import apply
from baro.science.chemometrics._kernels import FLAT, FLATNESS, LANES, NOT_FINITE, OK, _compiled, total


@_compiled
def prepared(x: Any, layout: Any, numbers: Any, work: Any, lanes: Any) -> Any:
    """Run a program on a sound spectrum x (p,) into work[6]. Returns OK, NOT_FINITE or FLAT."""
    p = x.size
    mean = total(x, lanes) / p
    for j in range(p):
        work[0, j] = (x[j] - mean) * (x[j] - mean)
    deviation = np.sqrt(total(work[0, :p], lanes) / p)
    if not np.isfinite(deviation):
        return NOT_FINITE
    if deviation <= FLATNESS * abs(mean):
        return FLAT
    apply(x, layout, numbers, work[6], work, lanes)
    return OK


@_compiled
def class_distances(
    spectra: Any, layout: Any, numbers: Any, rows: Any, weights: Any, work: Any, out: Any, status: Any
) -> Any:
    """Distances of spectra (n, p) to a class; to `out` (3, n): h, q, full distance; to `status` (n,).

    rows: (1 + A, q) centre, loadings. weights: (2 + A,) factor of h, factor of q, reciprocal eigenvalues.
    """
    n, p = spectra.shape
    q_count = rows.shape[1]
    lanes, x = np.empty(LANES), np.empty(p)
    z, product = work[6], work[0]
    for i in range(n):
        for j in range(p):
            x[j] = spectra[i, j]
        status[i] = prepared(x, layout, numbers, work, lanes)
        h, q = np.nan, np.nan
        if status[i] == OK:
            h = 0.0
            for j in range(q_count):
                z[j] -= rows[0, j]
            # loadings are orthonormal, so each may be taken out before the next is looked for
            for a in range(rows.shape[0] - 1):
                for j in range(q_count):
                    product[j] = z[j] * rows[1 + a, j]
                score = total(product[:q_count], lanes)
                h += score * score * weights[2 + a]
                for j in range(q_count):
                    z[j] -= score * rows[1 + a, j]
            for j in range(q_count):
                product[j] = z[j] * z[j]
            q = total(product[:q_count], lanes)
            if not np.isfinite(q):  # a part of the axis may be flat though the whole is not
                status[i] = FLAT
        out[0, i] = h
        out[1, i] = q
        out[2, i] = weights[0] * h + weights[1] * q


@_compiled
def library_scores(
    spectra: Any, layout: Any, numbers: Any, library: Any, correlation: Any, work: Any, out: Any, status: Any
) -> Any:
    """Scores of spectra (n, p) against each row of a library (m, q); to `out` (n, m), to `status` (n,).

    correlation: library rows are centred and of length 1; else they are as they are, and the score is 1 - relative
    distance.
    """
    n, p = spectra.shape
    m, q_count = library.shape
    lanes, x = np.empty(LANES), np.empty(p)
    z, product = work[6], work[0]
    for i in range(n):
        for j in range(p):
            x[j] = spectra[i, j]
        status[i] = prepared(x, layout, numbers, work, lanes)
        size = 1.0
        # a part of the axis may be flat though the whole is not
        if status[i] == OK and not np.isfinite(total(z[:q_count], lanes)):
            status[i] = FLAT
        if status[i] == OK and correlation:
            mean = total(z[:q_count], lanes) / q_count
            for j in range(q_count):
                z[j] -= mean
                product[j] = z[j] * z[j]
            size = np.sqrt(total(product[:q_count], lanes))
            if not (np.isfinite(size) and size > 0.0):
                status[i] = FLAT
        for k in range(m):
            score = np.nan
            if status[i] == OK:
                for j in range(q_count):
                    if correlation:
                        product[j] = z[j] * library[k, j]
                    else:
                        product[j] = (z[j] - library[k, j]) * (z[j] - library[k, j])
                score = total(product[:q_count], lanes)
                if correlation:
                    score /= size
                else:
                    for j in range(q_count):
                        product[j] = library[k, j] * library[k, j]
                    score = 1.0 - np.sqrt(score) / np.sqrt(total(product[:q_count], lanes))
            out[i, k] = score
