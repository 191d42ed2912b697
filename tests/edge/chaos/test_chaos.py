"""Cuts of every kind while the plant measures: nothing lost, nothing twice, every gap on record."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.edge.chaos.account import Account, account, count
from tests.edge.chaos.plant import KINDS, Plant

SEED = 20261123


def run(folder: Path, seed: int, cuts: int, seconds: float, longest: float) -> Account:
    """`cuts` cuts within about `seconds`, each of up to `longest` seconds. Every kind as often as any other."""
    chance = random.Random(seed)
    kinds = [KINDS[n % len(KINDS)] for n in range(cuts)]
    chance.shuffle(kinds)
    plant = Plant(folder, lot_s=max(seconds / 20, 3.0))
    try:
        time.sleep(2.0)
        began = time.monotonic()
        for number, kind in enumerate(kinds):
            with plant.without(kind, chance):
                time.sleep(chance.uniform(0.2, longest))
            pause = began + (number + 1) * seconds / cuts - time.monotonic()
            time.sleep(max(pause, chance.uniform(0.1, 0.5)))
        plant.settle(patience=60)
        return account(plant)
    finally:
        plant.close()


def judge(found: Account) -> None:
    assert found.lost == []
    assert found.twice == 0
    assert found.disordered == []
    assert found.findings == []
    assert found.stored + found.in_gaps == found.measured, found


def test_the_account_sees_what_is_lost_twice_or_out_of_order() -> None:
    rows = np.array([[0, n, n - 1] for n in range(1, 11)])
    gap = SimpleNamespace(epoch=0, first_seq=5, last_seq=6)

    def of(rows: np.ndarray, gaps: list[SimpleNamespace]) -> Account:
        found = Account()
        count(found, "plant/tags", rows, [10], gaps)
        return found

    judge(of(rows, []))
    hole = np.delete(rows, [4, 5], axis=0)
    assert of(hole, []).lost == ["plant/tags after 0:4: 3 to 6"]
    judge(of(hole, [gap]))
    assert of(hole, [gap]).in_gaps == 2
    assert of(np.delete(rows, [4, 5, 6], axis=0), [gap]).lost == ["plant/tags after 0:4: 3 to 7"]
    hole[:, 1] = range(1, 9)  # samples, which are numbered on by the gateway
    judge(of(hole, [gap]))
    assert of(rows[:4], []).lost == ["plant/tags after 0:4: 3 to the end"]
    judge(of(rows[:4], [gap]))
    assert of(np.vstack([rows, [[0, 11, 9]]]), []).twice == 1
    swapped = rows.copy()
    swapped[[2, 3], 2] = swapped[[3, 2], 2]
    assert of(swapped, []).disordered
    assert "plant/tags: 0/10 was never measured" in of(np.vstack([rows, [[0, 11, 10]]]), []).lost


@pytest.mark.clause("Annex 11 5", "Annex 11 16", "별표 9 4.12")
@pytest.mark.slow
@pytest.mark.alone  # it holds how much of what the instrument measured a gateway takes that is cut off in turn
def test_every_kind_of_cut_once(tmp_path: Path) -> None:
    found = run(tmp_path, SEED, len(KINDS), seconds=16, longest=1.5)
    judge(found)
    assert found.stored > 0.5 * found.measured > 20_000
    assert found.gaps >= 4
    assert found.events["clock_jump"] >= 1
    assert found.events["counter_reset"] >= 1
    assert found.events["lot_ended"] >= 2


@pytest.mark.slow
@pytest.mark.skipif("BARO_SOAK" not in os.environ, reason="ten minutes: make soak")
@pytest.mark.timeout(1800)
def test_a_hundred_cuts_in_ten_minutes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path, SEED, 100, seconds=600, longest=4.0)
    with capsys.disabled():
        sys.stdout.write("\n" + json.dumps(found.__dict__) + "\n")
    judge(found)
    assert found.measured > 2_500_000
