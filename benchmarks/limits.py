"""Limits of T² and of Q: how often good spectra exceed them, and how often strange ones do.

False alarms: models of 30, 60 and 200 spectra, simulated (three designs) and real (drawn at random from the tablets of
both instruments, from meat, petrol and fish oil), judged on spectra that had no part in the model; besides, the
tablets as they were split by those who measured them. Detection: stated faults put into real tablets that had no part
in the model. Each kind of limit sees the same distances. The peer is the usual limit by χ² moments of the training
spectra themselves. Real data are read from the folder ``shared/data`` beside the project; without it, the simulated
ones alone. The last line is JSON. ``--quick`` takes a tenth of the draws.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from baro.science.chemometrics.calibration import diagnostics
from baro.science.chemometrics.fitting import leave_out
from baro.science.chemometrics.limits import (
    chi2_limit,
    chi2_robust,
    left_out_limits,
    limits,
    q_limit_jackson_mudholkar,
    residual_eigenvalues,
    t2_limit,
    upper_limit,
)
from baro.science.chemometrics.model import Limits
from baro.science.chemometrics.recipe import Recipe

FLOOR = 1.0
POINTS = 0.015
SIZES = (30, 60, 200)
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
Floats = np.ndarray
Source = tuple[Floats, Floats, Recipe]
OURS, PEER = "left out, order statistic and tail", "training, χ² moments"


def recipe(components: int, *steps: dict) -> Recipe:
    return Recipe.parse([*steps, {"step": "pls", "components": components}])


DERIVATIVE = {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}


def simulated(design: str, rng: np.random.Generator, n: int) -> Callable[[int], tuple[Floats, Floats]]:
    """Spectra of 100 channels from three overlapping bands of random place and width, with noise."""
    at = np.linspace(0.0, 1.0, 100)
    bands = np.exp(-(((at - rng.uniform(0.1, 0.9, (4, 1))) / rng.uniform(0.05, 0.2, (4, 1))) ** 2))
    spread = np.array([1.0, 0.5, 0.3])

    def draw(count: int) -> tuple[Floats, Floats]:
        noise = rng.normal(0.0, 0.02, (count, at.size))
        if design == "normal":
            amounts = spread * rng.normal(size=(count, 3))
        elif design == "mixture":  # ranges, and a fourth component that makes up the rest
            amounts = spread * rng.uniform(size=(count, 3))
            amounts = np.column_stack([amounts, 2.0 - amounts.sum(axis=1)])
        else:  # Student's t with five degrees of freedom, amounts and noise
            amounts = spread * rng.standard_t(5, (count, 3))
            noise *= np.sqrt(5.0 / rng.chisquare(5, (count, 1)))
        return amounts @ bands[: amounts.shape[1]] + noise, amounts[:, 0] + rng.normal(0.0, 0.05, count)

    return draw


def real() -> dict[str, Source]:
    """The real sets. Of tecator's spectra each counts once, and the last 25, which extrapolate, not at all."""
    sources: dict[str, Source] = {}
    with np.load(DATA / "shootout2002.npz") as archive:
        assay = archive["Y"][:, 2].astype(np.float64)
        for number in "12":
            spectra = archive[f"X{number}"].astype(np.float64)
            sources[f"tablets, instrument {number}"] = spectra, assay, recipe(5, {"step": "snv"}, DERIVATIVE)
    with np.load(DATA / "tecator.npz") as archive:
        spectra = archive["X"][:215].astype(np.float64)
        once = np.sort(np.unique(spectra, axis=0, return_index=True)[1])
        chain = {**DERIVATIVE, "window": 7}, {"step": "snv"}
        sources["meat"] = spectra[once], archive["Y"][once, 1].astype(np.float64), recipe(6, *chain)
    with np.load(DATA / "gasoline.npz") as archive:
        sources["petrol"] = archive["NIR"].astype(np.float64), archive["octane"].astype(np.float64), recipe(3)
    with np.load(DATA / "raman_pufa.npz") as archive:
        spectra = archive["X"].astype(np.float64)
        sources["fish oil, Raman"] = spectra, archive["Y"][:, 0].astype(np.float64), recipe(4, {"step": "snv"})
    return sources


def kinds(x: Floats, y: Floats, how: Recipe, seed: int) -> tuple[Callable[[Floats], tuple], dict[str, Limits]]:
    """A model of x (n, p), y (n,): what gives T² and Q of other spectra, and every kind of limit."""
    axis, n, a = np.arange(x.shape[1], dtype=np.float64), len(y), how.components
    pipeline = how.pipeline(axis).fit(x, y)
    left = leave_out(axis, x, y, how, None, seed)
    _, t2, q = diagnostics(pipeline, x)
    pls = pipeline[-1]
    ready = pipeline[:-1].transform(x) if len(pipeline) > 1 else x
    residual = ready - pls._x_mean - pls.x_scores_ @ pls.x_loadings_.T
    eigen = residual_eigenvalues(residual)
    robust = chi2_robust(np.median(left.t2, axis=0)), chi2_robust(np.median(left.q, axis=0))

    def both(of_t2: Callable[[float], float], of_q: Callable[[float], float]) -> Limits:
        return Limits(of_t2(0.05), of_t2(0.01), of_q(0.05), of_q(0.01))

    return lambda new: diagnostics(pipeline, new)[1:], {
        OURS: left_out_limits(left.t2, left.q, a, 0.9 * n),
        "left out, χ² moments": limits(left.t2, left.q),
        "left out, χ² robust": both(
            lambda alpha: chi2_limit(*robust[0], alpha), lambda alpha: chi2_limit(*robust[1], alpha)
        ),
        "F future, Jackson-Mudholkar": both(
            lambda alpha: t2_limit(n, a, alpha), lambda alpha: q_limit_jackson_mudholkar(eigen, alpha)
        ),
        PEER: both(lambda alpha: upper_limit(t2, alpha), lambda alpha: upper_limit(q, alpha)),
    }


def rates(t2: Floats, q: Floats, bounds: Limits) -> list[float]:
    return [
        float(np.mean(values > limit))
        for values, limit in (
            (t2, bounds.t2_extreme),
            (t2, bounds.t2_outlier),
            (q, bounds.q_extreme),
            (q, bounds.q_outlier),
        )
    ]


def draws(sources: dict[str, Source], simulations: int, splits: int) -> Iterator[tuple[str, int, tuple]]:
    """(design or data, n, (x, y, recipe, fresh spectra)) of every trial."""
    for design in ("normal", "mixture", "heavy tails"):
        for n in SIZES:
            for seed in range(simulations):
                draw = simulated(design, np.random.default_rng([n, seed]), n)
                yield design, n, (*draw(n), recipe(3), draw(400)[0])
    for name, (x, y, how) in sources.items():
        for n in SIZES:
            if len(y) - n < 25:
                continue
            for seed in range(splits):
                order = np.random.default_rng([n, seed]).permutation(len(y))
                mine, other = order[:n], order[n:]
                yield name, n, (x[mine], y[mine], how, x[other])


def false_alarms(sources: dict[str, Source], simulations: int, splits: int) -> dict[tuple[str, int], dict]:
    """Mean rates (T² 5 %, 1 %, Q 5 %, 1 %) of each kind, by design or data and n."""
    found: dict[tuple[str, int], dict[str, list]] = {}
    for seed, (name, n, (x, y, how, fresh)) in enumerate(draws(sources, simulations, splits)):
        measure, every = kinds(x, y, how, seed)
        t2, q = measure(fresh)
        for kind, bounds in every.items():
            found.setdefault((name, n), {}).setdefault(kind, []).append(rates(t2, q, bounds))
    return {key: {kind: np.mean(rows, axis=0) for kind, rows in of.items()} for key, of in found.items()}


def detection(sources: dict[str, Source], how: Recipe, splits: int) -> dict[str, dict[str, float]]:
    """Share of faulty spectra beyond the 1 % limit of T² or Q, models of 60 tablets; first the good ones."""
    x, y, _ = sources["tablets, instrument 1"]
    meat = sources["meat"][0]
    other = np.stack([np.interp(np.linspace(0, 1, 650), np.linspace(0, 1, 100), row) for row in meat])
    at = np.arange(650.0)
    band = np.exp(-(((at - 300.0) / 8.0) ** 2))
    slope = at / at[-1]
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(splits):
        rng = np.random.default_rng([60, seed])
        order = rng.permutation(len(y))
        good = x[order[60:]]
        # the noise of these spectra: second differences of neighbouring channels, free of the bands' own curvature
        noise = float(np.median(np.std(np.diff(good, 3, axis=1), axis=1))) / np.sqrt(20.0)
        faults = {
            "none": good,
            **{f"new band of {height} AU": good + height * band for height in (0.03, 0.1, 0.3)},
            "wavelength shift of a channel": np.column_stack([good[:, 1:], good[:, -1]]),
            "baseline slope of 0.1 AU": good + 0.1 * slope,
            "baseline slope of 0.3 AU": good + 0.3 * slope,
            "noise twice": good + rng.normal(0.0, np.sqrt(3.0) * noise, good.shape),
            "noise five times": good + rng.normal(0.0, np.sqrt(24.0) * noise, good.shape),
            "saturated at the 70th percentile": np.minimum(good, np.percentile(good, 70, axis=1)[:, None]),
            "another product": other,
        }
        measure, every = kinds(x[order[:60]], y[order[:60]], how, seed)
        for fault, spectra in faults.items():
            t2, q = measure(spectra)
            for kind, bounds in every.items():
                beyond = float(np.mean((t2 > bounds.t2_outlier) | (q > bounds.q_outlier)))
                found.setdefault(fault, {}).setdefault(kind, []).append(beyond)
    return {fault: {kind: float(np.mean(rows)) for kind, rows in of.items()} for fault, of in found.items()}


def published_split(sources: dict[str, Source]) -> dict[str, dict]:
    """The tablets as they came: a calibration set, and a test set that is not like it."""
    with np.load(DATA / "shootout2002.npz") as archive:
        split = archive["split"].astype(str)
    found = {}
    for number in "12":
        x, y, how = sources[f"tablets, instrument {number}"]
        mine = split == "calibrate"
        measure, every = kinds(x[mine], y[mine], how, 2002)
        t2, q = measure(x[split == "test"])
        found[f"tablets, instrument {number}, as split"] = {kind: rates(t2, q, of) for kind, of in every.items()}
    return found


def show(title: str, of: dict, percent: tuple[str, ...] = ("T² 5 %", "T² 1 %", "Q 5 %", "Q 1 %")) -> None:
    print(f"\n{title}")
    for kind, row in of.items():
        told = "  ".join(f"{name}: {100 * rate:5.1f}" for name, rate in zip(percent, np.atleast_1d(row), strict=True))
        print(f"  {kind:36} {told}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws")
    quick = parser.parse_args().quick
    sources = real() if DATA.exists() else {}
    simulations, splits = (15, 6) if quick else (100, 60)
    found = false_alarms(sources, simulations, splits)
    for (name, n), of in found.items():
        show(f"{name}, n = {n}: % of good spectra beyond", of)
    kept = {kind: [row[kind] for row in found.values()] for kind in next(iter(found.values()))}
    nominal = np.array([0.05, 0.01, 0.05, 0.01])
    shares = {kind: float(np.mean(np.abs(np.array(rows) - nominal) <= POINTS)) for kind, rows in kept.items()}
    worst = {kind: float(np.max(np.abs(np.array(rows) - nominal))) for kind, rows in kept.items()}
    figures: dict = {"cases": 4 * len(found)}
    if sources:
        for name, of in published_split(sources).items():
            show(f"{name}: % of the test set beyond", of)
        whole = sources["tablets, instrument 1"][2].to_json()
        quiet = {"step": "region", "ranges": [[0, 519]]}  # 600 to 1638 nm: what lies beyond is two thirds of the noise
        for range_of, steps in (("600-1898 nm", whole), ("600-1638 nm", [quiet, *whole])):
            faults = detection(sources, Recipe.parse(steps), 3 if quick else 20)
            for fault, of in faults.items():
                show(f"{range_of}, fault: {fault}: % beyond either 1 % limit", of, ("either",))
            figures[f"detected, {range_of}"] = {fault: round(of[OURS], 3) for fault, of in faults.items()}
    print("\nshare of cases within 1.5 points, and the farthest one")
    for kind, share in shares.items():
        print(f"  {kind:36} {100 * share:5.1f} %  {100 * worst[kind]:5.1f} points")
    figures["within"] = {kind: round(share, 3) for kind, share in shares.items()}
    figures["farthest"] = {kind: round(value, 4) for kind, value in worst.items()}
    print(
        json.dumps(
            {
                "name": "limits",
                "ratio": round(shares[OURS] / max(shares[PEER], 1e-9), 2),
                "floor": FLOOR,
                "peer": "limits by χ² moments of the training spectra, share of cases within 1.5 points",
                "figures": figures,
            },
            ensure_ascii=False,
        )
    )


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
