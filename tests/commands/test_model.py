"""``baro model search``: files, outcome, Ctrl-C and going on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baro.apps.pat.words import SENTENCES
from baro.cli import app
from baro.commands.model import sentences
from baro.commands.spectra_table import Names, read
from baro.science.chemometrics import search
from baro.science.chemometrics.findings import Finding, Severity
from tests.science.chemometrics.search.data import made

DATA = made(45)
SPACE = {"chains": [[], [{"step": "snv"}], [{"step": "msc"}]], "components": 4, "folds": 5}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    np.savez(
        tmp_path / "data.npz",
        X=DATA.spectra,
        nm=DATA.axis,
        Y=np.column_stack([DATA.reference, -DATA.reference]),
        batch=np.array(DATA.groups),
        order=np.arange(45.0),
        part=np.array(["a"] * 40 + ["b"] * 5),
    )
    heads = ["id", "lot", "assay", "when", *(f"{point:g}" for point in DATA.axis)]
    lines = [",".join(heads)]
    for i in range(45):
        reference = "" if i == 44 else repr(float(DATA.reference[i]))
        when = f"2026-03-{1 + i // 3:02}T08:00"
        lines.append(",".join([f"T{i}", DATA.groups[i], reference, when, *map(repr, DATA.spectra[i].tolist())]))
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    return tmp_path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        app([str(word) for word in ("model", "search", *words)])
    return int(str(ended.value.code))


def test_an_npz_and_a_csv_give_the_same(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = ["--space", files / "space.json", "--json"]
    npz = ["--spectra", "X", "--axis", "nm", "--reference", "Y:0", "--groups", "batch", "--where", "part=a"]
    assert run(files / "data.npz", *npz, *space, "--out", files / "a.json") == 0
    one = json.loads(capsys.readouterr().out)
    lines = (files / "data.csv").read_text().splitlines()
    (files / "data.csv").write_text("\n".join(lines[:41]) + "\n")
    assert run(files / "data.csv", "--reference", "assay", "--groups", "lot", *space, "--out", files / "b.json") == 0
    other = json.loads(capsys.readouterr().out)
    assert one == other == json.loads((files / "a.json").read_text())
    assert [result["rank"] for result in one["results"]] == [1, 2, 3]


def test_people_read_a_table_and_what_speaks_against_it(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--reference", "assay", "--groups", "lot", "--samples", "id", "--time", "when"]
    assert run(files / "data.csv", *words, "--space", files / "space.json", "--out", files / "out.json") == 0
    told = capsys.readouterr().out
    assert "msc" in told
    assert "3 of 3 candidates" in told
    assert "later" in told
    assert json.loads((files / "out.json").read_text())["of"] == 3


def test_rows_without_reference_are_left_out_and_times_read(files: Path) -> None:
    table = read(files / "data.csv", Names("assay", "lot", "id", "when"))
    assert table.spectra.shape == (44, 90)
    assert table.samples == [f"T{i}" for i in range(44)]
    assert table.measured_at is not None
    assert table.measured_at[0] < table.measured_at[43]
    np.testing.assert_array_equal(table.axis, DATA.axis)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["data.csv", "--reference", "content"], "no column 'content'"),
        (["data.csv", "--reference", "lot"], "no column of numbers"),
        (["data.csv", "--reference", "assay", "--where", "lot=none"], "No row"),
        (["data.csv", "--reference", "assay", "--where", "lot"], "NAME=VALUE"),
        (["data.csv", "--reference", "assay", "--time", "lot"], "times"),
        (["data.npz", "--reference", "Y:0"], "no array 'spectra'"),
        (["data.npz", "--reference", "Y:7", "--spectra", "X", "--axis", "nm"], "no column 7"),
        (["data.npz", "--reference", "Y", "--spectra", "X", "--axis", "nm"], "Y:0"),
        (["data.npz", "--reference", "Y:0", "--spectra", "X", "--axis", "order"], "do not fit together"),
        (["space.json", "--reference", "a"], "npz or .csv"),
        (["none.csv", "--reference", "a"], "No such file"),
        (["data.csv", "--reference", "assay", "--components", "99"], "components"),
        (["data.csv", "--reference", "assay", "--resume", "data.csv"], "no JSON"),
    ],
)
def test_what_cannot_be_used_is_told(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], why: str
) -> None:
    monkeypatch.chdir(files)
    assert run(*words) == 2
    assert why in capsys.readouterr().err


def test_ctrl_c_writes_what_is_done_and_resume_ends_as_if_it_had_not_been(files: Path) -> None:
    chains = [[{"step": "savgol", "window": 5 + 2 * (i // 5), "polyorder": 1 + i % 3, "deriv": 1}] for i in range(80)]
    (files / "space.json").write_text(json.dumps({**SPACE, "chains": chains, "components": 12, "repeats": 12}))
    words = ["data.csv", "--reference", "assay", "--groups", "lot", "--space", "space.json"]
    command = [sys.executable, "-c", "from baro.cli import main; main()", "model", "search", *words]
    whole = subprocess.run([*command, "--out", "whole.json"], cwd=files, capture_output=True, timeout=100, check=False)
    assert whole.returncode == 0, whole.stderr
    running = subprocess.Popen([*command, "--out", "part.json"], cwd=files, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (files / "part.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGINT)
    told = running.communicate(timeout=60)[0].decode()
    assert running.returncode == 1, told
    assert "--resume part.json" in told
    part: dict[str, Any] = json.loads((files / "part.json").read_text())
    assert 0 <= part["done"] < part["of"]
    again = subprocess.run(
        [*command, "--resume", "part.json"], cwd=files, capture_output=True, timeout=100, check=False
    )
    assert again.returncode == 0, again.stderr
    assert (files / "part.json").read_bytes() == (files / "whole.json").read_bytes()


def test_outliers_are_told_with_their_reasons() -> None:
    told = [{"sample": "T7", "reasons": ["residual", "q"], "residual": -4.5, "reference": 100.0}]
    findings = [
        Finding("outliers", Severity.WARNING, {"count": 1, "of": 45, "outliers": told}, ("T7",)),
        Finding("no_skill", Severity.SERIOUS, {"rmsecv": 3.0, "mean": 3.1, "share": 0.06, "p": 0.4}),
    ]
    first, second = sentences(findings)
    assert first.startswith("SERIOUS  ")
    assert "no better than telling the mean" in first
    assert second.startswith("WARNING  1 of 45 samples")
    assert second.endswith("(T7: residual, q, residual -4.5)")


def test_everything_a_search_can_find_has_its_words() -> None:
    source = "".join(file.read_text() for file in Path(search.__path__[0]).glob("*.py"))
    codes = set(re.findall(r'Finding\("([a-z_]+)"', source)) | set(re.findall(r'return "([a-z_]+_skill)"', source))
    codes |= {f"{code}_later" for code in codes if code.endswith("_skill")} | {"little_skill", "little_skill_later"}
    assert "no_skill_later" in codes
    assert codes <= set(SENTENCES)
