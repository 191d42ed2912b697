"""`baro formats check`, and the table of the documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from baro.edge.formats import formats
from baro.edge.formats.check import check_bytes, check_folder
from baro.edge.formats.result import MAX_BYTES
from tests.edge.formats import tables
from tests.edge.formats.test_jcamp import TABLES, made


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "baro", "formats", "check", *arguments], capture_output=True, text=True, timeout=60
    )


def test_every_file_of_a_tree_is_told(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "right.txt").write_bytes(made(TABLES["DIF"]))
    (tmp_path / "wrong.spc").write_bytes(made(TABLES["DIF"], NPOINTS="12"))
    (tmp_path / "x.jdx").write_bytes(b"nothing of the kind")
    os.symlink(tmp_path / "x.jdx", tmp_path / "z.link")
    done = run(str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["read"], found["refused"]) == (1, 3)
    rows = {row["path"]: row for row in found["files"]}
    right = rows["below/right.txt"]
    assert right["read"]
    assert (right["format"], right["spectra"], right["points"]) == ("jcamp", 1, [10, 10])
    assert (right["axis"], right["extremes"]) == ([400, 409], [pytest.approx(0.95), pytest.approx(1.12)])
    wrong = rows["wrong.spc"]
    assert (wrong["code"], wrong["block"], wrong["read"]) == ("disagrees", "1", False)
    assert wrong["offset"] > 0
    assert "NPOINTS is 12" in wrong["reason"]
    assert (rows["x.jdx"]["code"], rows["z.link"]["code"]) == ("unknown", "odd")


def test_the_table_for_people_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.jdx").write_bytes(made(TABLES["PAC"]))
    (tmp_path / "\x1b[31mred.jdx").write_bytes(b"nothing")
    done = run(str(tmp_path))
    assert done.returncode == 0
    assert "2 files: 1 read, 1 refused" in done.stdout
    assert "jcamp 4.24 PAC" in done.stdout
    assert "\x1b" not in done.stdout
    assert run(str(tmp_path / "none")).returncode == 2


def test_a_proposed_mapping_is_confirmed_by_giving_it_back(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.csv").write_bytes(b"id;assay;1100;1102;1104\na;1,5;0,1;0,2;0,3\nb;1,6;0,4;0,5;0,6\n")
    assert json.loads(run(str(tmp_path / "tables"), "--json").stdout)["files"][0]["code"] == "mapping_needed"
    proposed = subprocess.run(
        [sys.executable, "-m", "baro", "formats", "propose", str(tmp_path / "tables" / "t.csv")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert proposed.returncode == 0, proposed.stderr
    found = json.loads(proposed.stdout)
    assert (found["mapping"]["delimiter"], found["mapping"]["decimal"], found["mapping"]["first_column"]) == (
        ";",
        ",",
        2,
    )
    (tmp_path / "mapping.json").write_text(proposed.stdout)
    done = run(str(tmp_path / "tables"), "--json", "--mapping", str(tmp_path / "mapping.json"))
    (row,) = json.loads(done.stdout)["files"]
    assert (row["read"], row["spectra"], row["axis"]) == (True, 2, [1100, 1104])
    (tmp_path / "mapping.json").write_text('{"orientation": "sideways"}')
    assert run(str(tmp_path / "tables"), "--mapping", str(tmp_path / "mapping.json")).returncode == 2


def test_names_do_not_matter() -> None:
    data = made(TABLES["SQZ"])
    rows = {check_bytes(data, name).format for name in ("a.spc", "b.0", "c.csv", "d")}
    assert rows == {"jcamp"}


@pytest.mark.peer
def test_the_table_of_the_documentation_is_true(shared_data: Path) -> None:
    assert (shared_data / "formats").is_dir()
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.with_table(page, tables.table()) == page, "run `make tables`"


@pytest.mark.peer
def test_every_real_file_is_read_or_refused_for_the_right_reason(shared_data: Path) -> None:
    rows = {row.path: row for row in check_folder(str(shared_data / "formats")) if not row.path.endswith(".gz")}
    refused = {path: row.code for path, row in rows.items() if not row.read}
    assert refused == {
        # a water determination by NMR: no series at all
        "animl/Example3.animl": "unsupported",
        # the last of 1801 points is a zero that the ordinate check contradicts
        "jcamp_dx/SPECFILE.DX": "disagrees",
        # FIRSTY, MAXY and MINY of the header stand on each other's labels
        "jcamp_lancashire/blckpac1.jdx": "disagrees",
        # ordinate checks and MAXY hold; MINY is of another stretch of the spectrum
        "jcamp_lancashire/dupinc1.jdx": "disagrees",
        "jcamp_lancashire/dupinc2.jdx": "disagrees",
        "jcamp_lancashire/fixdec1.jdx": "disagrees",
        # cut off by somebody who wrote so into the last line
        "siware_neospectra/neospectra_ossl_50samples_slice.csv": "damaged",
    }
    folders = {
        "animl": "animl", "asd": "asd", "bruker_dpt": "dpt", "bruker_opus": "opus", "galactic_spc": "spc",
        "galactic_spc_rohanisaac": "spc", "jcamp_dx": "jcamp", "jcamp_lancashire": "jcamp", "nicolet_omnic": "omnic",
        "raman_horiba": "horiba", "raman_renishaw": "wdf", "siware_api": "siware", "siware_neospectra": "siware",
        "viavi_micronir": "micronir",
    }  # fmt: skip
    for path, row in rows.items():
        assert not row.read or row.format == folders[path.split("/")[0]], path
    assert set(folders.values()) | {"table"} == set(formats())


def test_json_for_programs_is_the_same_whatever_the_names_and_the_locale(tmp_path: Path) -> None:
    (tmp_path / "정제.jdx").write_bytes(made(TABLES["DIF"]))
    (tmp_path / "empty.spc").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("a.jdx", made(TABLES["DIF"]))
    with open(os.path.join(os.fsencode(tmp_path), b"\xff\n.jdx"), "wb") as file:
        file.write(made(TABLES["DIF"]))
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path, tmp_path / "around")
    done = subprocess.run(
        [sys.executable, "-m", "baro", "formats", "check", str(tmp_path), "--json"],
        capture_output=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.decode("utf-8"))
    assert found["schema"] == "baro.formats.check.1"
    rows = {row["path"]: row for row in found["files"]}
    assert {path: (row["status"], row["code"]) for path, row in rows.items()} == {
        "정제.jdx": ("read", ""),
        "empty.spc": ("refused", "unknown"),
        "packed.zip": ("refused", "unknown"),
        "\udcff\n.jdx": ("read", ""),
        "pipe": ("refused", "odd"),
        "around": ("refused", "odd"),
    }
    assert "empty" in rows["empty.spc"]["reason"]
    assert "zip" in rows["packed.zip"]["reason"]


def test_every_field_of_the_json_is_documented() -> None:
    page = tables.PAGE.read_text(encoding="utf-8")
    row = check_bytes(made(TABLES["DIF"]), "a").to_json()
    documented = page[page.index("### The JSON of the check") : page.index("### Files of other makers")]
    for field in [*row, *row["blocks"][0]]:
        assert f"`{field}`" in documented, field


def test_a_file_beyond_the_limit_has_no_digest(tmp_path: Path) -> None:
    with open(tmp_path / "large.spc", "wb") as file:
        file.truncate(MAX_BYTES + 10)
    (row,) = check_folder(str(tmp_path))
    assert (row.code, row.size, row.sha256) == ("too_large", MAX_BYTES + 10, "")
