"""`baro demo --once`: the whole spine without a person."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.demo.running import clean_environment

pytestmark = pytest.mark.slow


def once(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "baro", "demo", "--once", *arguments],
        env=clean_environment(home),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def rows(text: str) -> dict[str, list[str]]:
    """Lot number → cells of its line in the table."""
    lines = [[cell.strip() for cell in re.split("[│|]", line)[1:-1]] for line in text.splitlines()]
    return {cells[0]: cells for cells in lines if cells and cells[0].startswith("BARO-")}


def test_three_lots_come_out_as_expected_and_verify(tmp_path: Path) -> None:
    done = once(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = rows(done.stdout)
    assert {lot: cells[5] for lot, cells in table.items()} == {
        "BARO-2601A": "eligible",
        "BARO-2601B": "failed",
        "BARO-2601C": "needs_review",
    }
    assert [table[lot][1] for lot in sorted(table)] == ["120", "120", "128"]
    assert done.stdout.count(": equal ") == 3


def test_a_wrong_expectation_is_an_error(tmp_path: Path, shared_data: Path) -> None:
    """With the model fitted again from the user's own data, and one expected outcome changed by hand."""
    done = once(tmp_path, "--data", str(shared_data / "shootout2002.npz"), "--expect", "BARO-2601A=failed")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "not the expected one" in done.stdout
    cv, test = re.search(r"RMSECV ([\d.]+) mg, RMSEP ([\d.]+) mg", done.stdout).groups()
    assert float(cv) == pytest.approx(4.63, abs=0.1)
    assert float(test) == pytest.approx(4.365, abs=0.005)


def test_another_file_is_refused_in_words(tmp_path: Path, shared_data: Path) -> None:
    done = once(tmp_path, "--data", str(shared_data / "gasoline.npz"))
    assert done.returncode != 0
    assert "cannot be used" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_an_unknown_lot_cannot_be_expected(tmp_path: Path) -> None:
    done = once(tmp_path, "--expect", "X=failed")
    assert done.returncode == 2
    assert "no such lot" in done.stdout


def test_the_shipped_model_says_where_it_comes_from() -> None:
    from baro.apps.pat.artefacts import shipped_model

    description = json.loads(shipped_model().json_bytes)
    assert description["figures"]["rmsep"] == pytest.approx(4.365, abs=0.005)
    assert description["provenance"]
