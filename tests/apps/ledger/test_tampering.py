"""Every one of many random tamperings is detected and named, and nothing untouched is called tampered with."""

from __future__ import annotations

import os
import sys

import pytest

from baro.apps.ledger.log import integrate
from tests.apps.ledger.packages import Released, released
from tests.apps.ledger.tampering import tamper

__all__ = ["released"]


@pytest.fixture(scope="module", autouse=True)
def all_taken_in(released: Released) -> None:
    while integrate() is not None:
        pass


@pytest.mark.clause("Part 11 11.10(a)", "Part 11 11.70", "Annex 11 7.1", "Annex 11 9")
def test_tamperings_are_detected_and_named(released: Released) -> None:
    tally = tamper(released, 300, 40, seed=2601)
    assert not tally.missed, "\n".join(tally.missed)
    assert not tally.false_alarms
    assert sum(tally.detected.values()) == 300


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("BARO_SOAK"), reason="a long run; BARO_SOAK=1 starts it")
@pytest.mark.timeout(3600)
def test_ten_thousand_tamperings(released: Released, capsys: pytest.CaptureFixture[str]) -> None:
    tally = tamper(released, 10_000, 1_000, seed=20261122)
    with capsys.disabled():
        sys.stdout.write(f"\n{tally}\n")
    assert not tally.missed, "\n".join(tally.missed[:20])
    assert not tally.false_alarms
    assert sum(tally.detected.values()) == 10_000
