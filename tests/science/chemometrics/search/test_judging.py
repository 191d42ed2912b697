"""Sabotage: what a search says of data that cannot bear it."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baro.science.chemometrics.findings import Finding, Severity
from baro.science.chemometrics.search import Progress, SearchSpace, search
from baro.science.chemometrics.search.judging import last_batches, sign_flip
from tests.science.chemometrics.search.data import Made, made

SPACE = SearchSpace.parse(
    {"chains": [[], [{"step": "snv"}], [{"step": "msc"}], [{"step": "snv"}, {"step": "savgol", "window": 7}]],
     "components": 8, "folds": 6}
)  # fmt: skip


def outcome(data: Made, space: SearchSpace = SPACE, **more: Any) -> Progress:
    *_, last = search(data.axis, data.spectra, data.reference, data.groups, space, seed=2, **more)
    return last


def found(progress: Progress) -> dict[str, Finding]:
    return {finding.code: finding for finding in progress.findings}


def test_good_data_give_no_serious_finding() -> None:
    told = outcome(made(90), reference_error=0.5, measured_at=np.arange(90.0))
    assert not [one for one in told.findings if one.severity == Severity.SERIOUS]
    assert told.comparison["grouped"] == told.best["rmsecv"][told.best["components"] - 1]  # type: ignore[index]
    assert told.comparison["p_skill"] == pytest.approx(1e-4)
    assert told.comparison["later"] < 0.5 * told.comparison["mean_later"]  # type: ignore[operator]


def test_a_target_that_spectra_do_not_hold_is_told() -> None:
    data = made()
    noise = np.random.default_rng(5).normal(100.0, 5.0, 60)
    finding = found(outcome(Made(data.axis, data.spectra, noise, data.groups)))["no_skill"]
    assert finding.severity == Severity.SERIOUS
    assert finding.facts["share"] < 0.1
    assert set(finding.facts) == {"rmsecv", "mean", "share", "p"}


def test_the_test_of_skill_keeps_its_level() -> None:
    rng = np.random.default_rng(0)
    values = [sign_flip(rng.standard_t(4, size=20), seed) for seed in range(300)]
    assert 0.02 < np.mean(np.array(values) <= 0.05) < 0.09


def test_few_batches_prove_nothing() -> None:
    data = made(60, size=20)
    space = SearchSpace.parse({"chains": [[]], "components": 6, "folds": 3})
    told = found(outcome(data, space))
    assert told["unproven_skill"].facts["p"] > 0.05
    assert "few_batches" in told


def test_duplicated_samples_in_other_batches_are_told() -> None:
    data = made()
    spectra, reference = np.vstack([data.spectra, data.spectra[:6]]), np.append(data.reference, data.reference[:6])
    told = found(outcome(Made(data.axis, spectra, reference, data.groups + ["new"] * 6)))
    assert told["equal_spectra"].severity == Severity.SERIOUS
    assert told["equal_spectra"].facts["count"] == 6


def batch_lore(count: int = 80, size: int = 8) -> Made:
    """Reference values that belong to the batch, and spectra that tell the batch and nothing else."""
    rng = np.random.default_rng(11)
    batch = np.arange(count) // size
    mark = rng.normal(size=(batch.max() + 1, 40))
    spectra = mark[batch] + 0.01 * rng.normal(size=(count, 40))
    level = rng.normal(100.0, 5.0, batch.max() + 1)
    return Made(np.arange(40.0), spectra, level[batch] + 0.1 * rng.normal(size=count), [f"B{one}" for one in batch])


def test_random_folds_that_flatter_are_told() -> None:
    space = SearchSpace.parse({"chains": [[]], "components": 9, "folds": 5})
    told = outcome(batch_lore(), space)
    finding = found(told)["random_flatters"]
    assert finding.facts["random"] < 0.5 * finding.facts["grouped"]
    assert finding.facts["p"] <= 0.05
    assert "no_skill" in found(told)


def test_batches_torn_into_pieces_are_told() -> None:
    data = made()
    names = [f"S{i // 3}" for i in range(60)]
    groups = [f"{name}-{i % 3}" for i, name in enumerate(names)]
    told = found(outcome(Made(data.axis, data.spectra, data.reference, groups), samples=names))
    assert told["split_batches"].severity == Severity.SERIOUS


def test_a_relation_that_ends_is_told_by_time_alone() -> None:
    data = made(120)
    reference = data.reference.copy()
    reference[90:] = np.random.default_rng(3).permutation(reference[90:])
    changed = Made(data.axis, data.spectra, reference, data.groups)
    told = outcome(changed, measured_at=np.arange(120.0))
    assert found(told)["no_skill_later"].severity == Severity.SERIOUS
    assert told.comparison["later"] > 0.8 * told.comparison["mean_later"]  # type: ignore[operator]
    assert "no_skill_later" not in found(outcome(changed))


def test_the_last_fifth_is_of_whole_batches_by_their_first_time() -> None:
    batch = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4])
    times = [9.0, 30.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    later = last_batches(batch, times)
    assert later is not None
    assert later.tolist() == [True, True] + [False] * 8
    assert last_batches(batch, [None, *times[1:]]) is None


def test_outliers_are_told_with_their_reasons_and_stay() -> None:
    data = made(90)
    reference, spectra = data.reference.copy(), data.spectra.copy()
    reference[10] += 40.0
    spectra[20, 30:40] += 0.5
    told = outcome(Made(data.axis, spectra, reference, data.groups), reference_error=0.5)
    finding = found(told)["outliers"]
    reasons = {one["sample"]: one["reasons"] for one in finding.facts["outliers"]}
    assert reasons["11"] == ["residual"]
    assert "q" in reasons["21"]
    assert finding.facts["of"] == 90
    assert len(reasons) < 12


def test_a_search_among_many_by_chance_is_told() -> None:
    """Pure noise: the best of many looks better than it is when judged by folds it was not chosen by."""
    rng = np.random.default_rng(8)
    data = Made(np.arange(120.0), rng.normal(size=(24, 120)), rng.normal(10.0, 1.0, 24), [str(i) for i in range(24)])
    regions = [[[low, low + 9]] for low in range(0, 110, 3)]
    space = SearchSpace.parse({"regions": regions, "chains": [[], [{"step": "snv"}]], "components": 1, "folds": 6})
    told = outcome(data, space)
    finding = found(told)["search_optimism"]
    assert finding.facts["nested"] > 1.05 * finding.facts["lowest"]
    assert finding.facts["candidates"] == 2 * len(regions)


def test_the_edge_of_the_space_and_too_few_samples_are_told() -> None:
    data = made(40, size=4)
    told = found(outcome(data, SearchSpace.parse({**SPACE.to_json(), "components": 2})))
    assert told["edge_of_space"].facts["components"] == 2
    many = SearchSpace.parse({"chains": [[{"step": "savgol", "window": w}] for w in range(5, 31, 2)], "components": 8})
    told = found(outcome(made(14, size=2, noise=1e-4), many))
    assert told["few_for_components"].facts["count"] == 14
    assert told["few_for_search"].facts["batches"] == 7


def test_weight_and_hardness_of_real_tablets_are_told_to_be_unpredictable(shared_data: Path) -> None:
    with np.load(shared_data / "shootout2002.npz", allow_pickle=False) as archive:
        kept = archive["split"] == "calibrate"
        axis, spectra, values = archive["wavelength_nm"], archive["X1"][kept], archive["Y"][kept]
    space = SearchSpace.parse({"chains": [[{"step": "snv"}], [{"step": "snv"}, {"step": "savgol"}]], "components": 12})
    groups = [str(i // 5) for i in range(155)]
    codes = []
    for column in range(3):
        *_, told = search(axis, spectra, values[:, column].astype(np.float64), groups, space, seed=1)
        codes.append({one.code for one in told.findings})
        if column == 2:
            outliers = found(told)["outliers"]
            assert {"19", "122", "126", "127"} <= set(outliers.samples)  # the four that are known
    for code in codes[:2]:
        assert code & {"no_skill", "little_skill"}
    assert not codes[2] & {"no_skill", "little_skill", "unproven_skill"}


def zagar(folder: Path) -> tuple[Made, np.ndarray[Any, Any]]:
    """Dissolution of 1,005 batches from what was known of material and press, each column with unit spread; and the
    batches' places in time."""
    tables = []
    for name in ("zagar_lab.csv.gz", "zagar_process.csv.gz"):
        with gzip.open(folder / name, "rt", newline="") as file:
            tables.append({int(row["batch"]): row for row in csv.DictReader(file)})
    results = ("dissolution", "drug", "residual", "resodual", "impurit", "total imp", "batch_yield", "start", "batch")
    rows, reference, place = [], [], []
    names = [[name for name in next(iter(table.values())) if not name.lower().startswith(results)] for table in tables]
    for batch in sorted(tables[0].keys() & tables[1].keys()):
        told = [[number(table[batch][name]) for name in known] for table, known in zip(tables, names, strict=True)]
        value = number(tables[0][batch]["dissolution_av"])
        if np.isfinite(value):
            rows.append(told[0] + told[1])
            reference.append(value)
            place.append(batch)
    x = np.array(rows)
    x = x[:, np.isfinite(x).mean(axis=0) > 0.9]
    x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))
    x = x[:, np.std(x, axis=0) > 0.0]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return Made(np.arange(float(x.shape[1])), x, np.array(reference), [str(one) for one in place]), np.array(place)


def number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def test_a_thousand_real_batches_by_time(shared_data: Path) -> None:
    """Žagar & Mihelič, Sci. Data 9 (2022) 99: shuffled folds flatter, the batches that follow are hardly predicted."""
    data, place = zagar(shared_data)
    told = outcome(data, SearchSpace.parse({"chains": [[]], "components": 10}), measured_at=place)
    assert told.comparison["mean_later"] == pytest.approx(3.48, abs=0.005)
    finding = found(told)["little_skill_later"]
    assert finding.severity == Severity.WARNING
    assert finding.facts["count"] == 201
    assert finding.facts["share"] < 0.25
    assert told.comparison["share"] > finding.facts["share"] + 0.05  # type: ignore[operator]
    assert told.comparison["later"] > 1.08 * told.comparison["grouped"]  # type: ignore[operator]
