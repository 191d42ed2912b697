"""The arithmetic of compiled recipes: a list of operations on one spectrum, interpreted by one loop.

The same four habits as in `_kernels` make every result the same to the last bit on every machine; the exponential that
one baseline needs is made of + and * here, since the one of the C library differs between machines.

A program is `layout` (k, 6) int64 and `numbers` (m,) float64. Each row of layout: code, channels in, channels out,
where its numbers begin, and two whole numbers of its own. What lies in `numbers` stands beside each code.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from baro.science.chemometrics._kernels import FLAT, FLATNESS, LANES, NOT_FINITE, OK, _compiled, total

GATHER = 0  # positions (out,)
SNV = 1
REGRESS = 2  # least-squares rows (r, p), design (r, p); r, position of the row to divide by or -1
FILTER_INTERP = 3  # taps (w,), first ends (h, w), last ends (h, w); w
FILTER_NEAREST = 4  # taps (w,); w
NORM = 5  # norm: 1 sum of magnitudes, 2 length
ASLS = 6  # stiffness, asymmetry; most rounds
ARPLS = 7  # stiffness, tolerance; most rounds
BANDED = 8  # offset (p,), taps (w, p); w: each channel from those about it
LOW_RANK = 9  # offset (p,), left (r, p), right (r, p); r, 1 when the spectrum itself is added

_LN2_HIGH, _LN2_LOW, _LOG2E = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700


@_compiled
def exponential(x: Any) -> Any:
    """e to the x for |x| <= 100, relative error below 1e-15: Taylor to degree 14 about the nearest multiple of ln 2."""
    k = np.floor(x * _LOG2E + 0.5)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    value = 1.0
    for n in range(14, 0, -1):
        value = 1.0 + value * r / n
    factor = 2.0 if k > 0 else 0.5
    for _ in range(int(abs(k))):
        value *= factor
    return value


@_compiled
def smooth(y: Any, w: Any, stiffness: Any, z: Any, work: Any) -> Any:
    """z (n,): minimum of sum w (y - z)² + stiffness * sum (second differences of z)², by LDLᵀ of five diagonals.

    Eilers, Anal. Chem. 75 (2003) 3631. work: (3, n) scratch. n >= 3.
    """
    n = y.size
    d, one, two = work[0], work[1], work[2]
    for i in range(n):
        inner = 6.0
        if i == 0 or i == n - 1:
            inner = 1.0
        elif i == 1 or i == n - 2:
            inner = 5.0 if n > 3 else 4.0
        next_one = -4.0
        if i == 0 or i == n - 2:
            next_one = -2.0
        pivot = w[i] + stiffness * inner
        side = stiffness * next_one
        value = w[i] * y[i]
        if i > 0:
            pivot -= d[i - 1] * one[i - 1] * one[i - 1]
            side -= d[i - 1] * one[i - 1] * two[i - 1]
            value -= one[i - 1] * z[i - 1]
        if i > 1:
            pivot -= d[i - 2] * two[i - 2] * two[i - 2]
            value -= two[i - 2] * z[i - 2]
        d[i] = pivot
        one[i] = side / pivot if i < n - 1 else 0.0
        two[i] = stiffness / pivot if i < n - 2 else 0.0
        z[i] = value
    for i in range(n - 1, -1, -1):
        value = z[i] / d[i]
        if i < n - 1:
            value -= one[i] * z[i + 1]
        if i < n - 2:
            value -= two[i] * z[i + 2]
        z[i] = value


@_compiled
def asls(y: Any, stiffness: Any, asymmetry: Any, rounds: Any, z: Any, w: Any, work: Any) -> Any:
    """z: baseline by asymmetric least squares, until no point changes sides or `rounds` are over."""
    n = y.size
    for i in range(n):
        w[i] = 1.0
    for turn in range(rounds):
        smooth(y, w, stiffness, z, work)
        changed = turn == 0
        for i in range(n):
            weight = asymmetry if y[i] > z[i] else 1.0 - asymmetry
            if weight != w[i]:
                changed = True
            w[i] = weight
        if not changed:
            break


@_compiled
def arpls(
    y: Any, stiffness: Any, tolerance: Any, rounds: Any, z: Any, w: Any, work: Any, lanes: Any, spare: Any
) -> Any:
    """z: baseline by asymmetrically reweighted penalised least squares (Baek et al., Analyst 140 (2015) 250)."""
    n = y.size
    for i in range(n):
        w[i] = 1.0
    for _turn in range(rounds):
        smooth(y, w, stiffness, z, work)
        below = 0
        for i in range(n):
            if y[i] < z[i]:
                spare[below] = y[i] - z[i]
                below += 1
        if below < 2:
            break
        mean = total(spare[:below], lanes) / below
        for i in range(below):
            work[0, i] = (spare[i] - mean) * (spare[i] - mean)
        deviation = np.sqrt(total(work[0, :below], lanes) / (below - 1))
        if not deviation > 0.0:
            break
        for i in range(n):
            steep = 2.0 * ((y[i] - z[i]) - (2.0 * deviation - mean)) / deviation
            steep = min(max(steep, -100.0), 100.0)
            weight = 1.0 / (1.0 + exponential(steep))
            work[0, i] = (weight - w[i]) * (weight - w[i])
            work[1, i] = w[i] * w[i]
            w[i] = weight
        if total(work[0], lanes) < tolerance * tolerance * total(work[1], lanes):
            break


@_compiled
def apply(x: Any, layout: Any, numbers: Any, out: Any, work: Any, lanes: Any) -> Any:
    """Run a program on x (p,); the result lies in out[:n], n is returned. work: (6, most channels) scratch."""
    n = x.size
    for j in range(n):
        out[j] = x[j]
    spare = work[0]
    for op in range(layout.shape[0]):
        code, count, at, first, second = layout[op, 0], layout[op, 2], layout[op, 3], layout[op, 4], layout[op, 5]
        if code == GATHER:
            for j in range(count):
                spare[j] = out[int(numbers[at + j])]
            for j in range(count):
                out[j] = spare[j]
        elif code == SNV:
            mean = total(out[:n], lanes) / n
            for j in range(n):
                out[j] -= mean
                spare[j] = out[j] * out[j]
            deviation = np.sqrt(total(spare[:n], lanes) / n)
            for j in range(n):
                out[j] /= deviation
        elif code == REGRESS:
            rows = first
            for r in range(rows):
                for j in range(n):
                    spare[j] = out[j] * numbers[at + r * n + j]
                work[1, r] = total(spare[:n], lanes)
            design = at + rows * n
            for r in range(rows):
                if r != second:
                    weight = work[1, r]
                    for j in range(n):
                        out[j] -= weight * numbers[design + r * n + j]
            if second >= 0:
                weight = work[1, second]
                for j in range(n):
                    out[j] /= weight
        elif code == FILTER_INTERP:
            half = first // 2
            for j in range(n):
                spare[j] = 0.0
            for k in range(first):
                tap = numbers[at + k]
                for j in range(n - 2 * half):
                    spare[half + j] += tap * out[j + k]
            ends = at + first
            for j in range(half):
                low, high = 0.0, 0.0
                for k in range(first):
                    low += numbers[ends + j * first + k] * out[k]
                    high += numbers[ends + (half + j) * first + k] * out[n - first + k]
                spare[j] = low
                spare[n - half + j] = high
            for j in range(n):
                out[j] = spare[j]
        elif code == FILTER_NEAREST:
            half = first // 2
            padded = work[1]
            for j in range(n + 2 * half):
                padded[j] = out[min(max(j - half, 0), n - 1)]
            for j in range(n):
                spare[j] = 0.0
            for k in range(first):
                tap = numbers[at + k]
                for j in range(n):
                    spare[j] += tap * padded[j + k]
            for j in range(n):
                out[j] = spare[j]
        elif code == NORM:
            for j in range(n):
                spare[j] = abs(out[j]) if first == 1 else out[j] * out[j]
            size = total(spare[:n], lanes)
            if first == 2:
                size = np.sqrt(size)
            for j in range(n):
                out[j] /= size
        elif code == ASLS:
            asls(out[:n], numbers[at], numbers[at + 1], first, spare[:n], work[1, :n], work[2:5, :n])
            for j in range(n):
                out[j] -= spare[j]
        elif code == BANDED:
            half = first // 2
            for j in range(n):
                spare[j] = numbers[at + j]
            for k in range(first):
                row = at + (1 + k) * n
                for j in range(max(0, half - k), min(n, n + half - k)):
                    spare[j] += numbers[row + j] * out[j + k - half]
            for j in range(n):
                out[j] = spare[j]
        elif code == LOW_RANK:
            for r in range(first):
                for j in range(n):
                    spare[j] = out[j] * numbers[at + (1 + r) * n + j]
                work[1, r] = total(spare[:n], lanes)
            for j in range(n):
                out[j] = (out[j] if second == 1 else 0.0) + numbers[at + j]
            for r in range(first):
                weight = work[1, r]
                row = at + (1 + first + r) * n
                for j in range(n):
                    out[j] += weight * numbers[row + j]
        else:
            arpls(
                out[:n],
                numbers[at],
                numbers[at + 1],
                first,
                spare[:n],
                work[1, :n],
                work[2:5, :n],
                lanes,
                work[5],
            )
            for j in range(n):
                out[j] -= spare[j]
        n = count
    return n


@_compiled
def predict(
    spectra: Any,
    layout: Any,
    numbers: Any,
    rows: Any,
    scalars: Any,
    known: Any,
    work: Any,
    out: Any,
    flags: Any,
) -> Any:
    """Predict spectra (n, p); results go to `out` and `flags`. Returns how many could not be predicted.

    rows: (1 + 2A, q) centre, rotations, loadings of the q channels that the program leaves. scalars: (3 + 2A,) T²
    limit, Q limit, y mean, y loadings, reciprocal score variances. known: (c, A) calibration scores. work: (7, most
    channels); afterwards work[6, :q] holds the spectral residual of the last one. out: (4 + A, n) value, T², Q, squared
    distance to the nearest calibration spectrum in units of T², scores. flags: (3, n) int64 status, inside, nearest.
    """
    count, p = spectra.shape
    a_count = (rows.shape[0] - 1) // 2
    q_count = rows.shape[1]
    bad = 0
    lanes = np.empty(LANES)
    x = np.empty(p)
    z = work[6]
    product = work[0]
    for i in range(count):
        for j in range(p):
            x[j] = spectra[i, j]
        mean = total(x, lanes) / p
        for j in range(p):
            product[j] = (x[j] - mean) * (x[j] - mean)
        deviation = np.sqrt(total(product[:p], lanes) / p)
        flags[0, i] = OK
        flags[1, i] = 0
        flags[2, i] = -1
        if not np.isfinite(deviation):
            flags[0, i] = NOT_FINITE
        elif deviation <= FLATNESS * abs(mean):
            flags[0, i] = FLAT
        q = 0.0
        if flags[0, i] == OK:
            apply(x, layout, numbers, z, work, lanes)
            for j in range(q_count):
                z[j] -= rows[0, j]
            value = scalars[2]
            t2 = 0.0
            for a in range(a_count):
                for j in range(q_count):
                    product[j] = z[j] * rows[1 + a, j]
                score = total(product[:q_count], lanes)
                out[4 + a, i] = score
                value += score * scalars[3 + a]
                t2 += score * score * scalars[3 + a_count + a]
            for a in range(a_count):
                score = out[4 + a, i]
                for j in range(q_count):
                    z[j] -= score * rows[1 + a_count + a, j]
            for j in range(q_count):
                product[j] = z[j] * z[j]
            q = total(product[:q_count], lanes)
            # a part of the axis may be flat though the whole is not
            if not np.isfinite(q):
                flags[0, i] = FLAT
        if flags[0, i] != OK:
            bad += 1
            for row in range(out.shape[0]):
                out[row, i] = np.nan
            continue
        nearest, distance = -1, np.inf
        for c in range(known.shape[0]):
            gap = 0.0
            for a in range(a_count):
                step = out[4 + a, i] - known[c, a]
                gap += step * step * scalars[3 + a_count + a]
            if gap < distance:
                nearest, distance = c, gap
        out[0, i] = value
        out[1, i] = t2
        out[2, i] = q
        out[3, i] = distance
        flags[2, i] = nearest
        if t2 <= scalars[0] and q <= scalars[1]:
            flags[1, i] = 1
    return bad
