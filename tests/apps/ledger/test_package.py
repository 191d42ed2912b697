"""An exported package proves itself to a stranger, and every byte of it counts."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdf
import pytest

from baro.apps.ledger.archive.errors import PlaceTaken
from baro.apps.ledger.merkle import Signer
from baro.apps.ledger.services import Program
from baro.apps.ledger.standalone import verify
from baro.apps.release.errors import LotUnknown
from baro.apps.release.package import export_batch
from tests.apps.ledger.packages import Released, released

__all__ = ["released"]
VERIFIER = Path(verify.__file__)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """The stand-alone verifier as a stranger runs it: without Baro on the path."""
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", SITE, str(VERIFIER), *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


# a stranger's Python has cryptography, and no Baro
SITE = (
    "import sys, runpy, importlib.util;"
    f"sys.path += {[p for p in sys.path if 'site-packages' in p]!r};"
    "sys.modules['baro'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.mark.clause("Part 11 11.10(b)", "Annex 11 8.1", "Annex 11 17")
def test_a_package_holds_for_a_stranger_as_a_folder_and_as_a_zip(released: Released, tmp_path: Path) -> None:
    folder, packed = released.package.write(tmp_path / "lot"), released.package.write(tmp_path / "lot.zip")
    for place in (folder, packed):
        done = run("package", place, "--key", released.key)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"{released.lot_no}: holds;" in done.stdout
    with pytest.raises(PlaceTaken):
        released.package.write(packed)
    unpinned = run("package", folder)
    assert unpinned.returncode == 2
    assert "NOT PINNED" in unpinned.stdout


def test_a_package_holds_the_records_and_files_of_its_lot(released: Released) -> None:
    files = released.files
    rows = {
        name: [json.loads(line) for line in content.splitlines()]
        for name, content in files.items()
        if name.startswith("records/")
    }
    assert [row["lot_no"] for row in rows["records/manufacturing_lot.jsonl"]] == [released.lot_no]
    assert {row["outcome"] for row in rows["records/release_decision.jsonl"]} == {"released"}
    assert len(rows["records/release_certificate.jsonl"]) == 2
    assert sum(name.endswith(".pdf") for name in files) == 3
    assert any(name.startswith("raw/spectra-") for name in files)
    assert any(name.startswith("raw/samples-") for name in files)
    assert "records/people_user.jsonl" not in files
    assert not any(b"argon2" in content for content in files.values())
    own = str(released.plant.company)
    for name, of_table in rows.items():
        assert all(row.get("company_id", own) == own for row in of_table), name
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(files["record.pdf"])).pages)
    for said in (released.lot_no, "제조번호", "Electronic signatures", "meets all criteria"):
        assert "".join(said.split()) in re.sub(r"[\s\u200b]", "", text), said


def test_a_lot_of_another_company_is_not_exported(released: Released, plant: object) -> None:
    with pytest.raises(LotUnknown):
        export_batch(Program("tester", plant.company), "no such lot", "curious")  # type: ignore[attr-defined]


def test_a_package_signed_by_another_key_does_not_hold(released: Released) -> None:
    """Whoever rewrites a package can sign it, but not with the log's key."""
    files = released.files
    manifest = json.loads(files["manifest.json"])
    forger = Signer.new(manifest["log"])
    body = verify.split_note(files["checkpoint.txt"].decode())[0]
    files["checkpoint.txt"] = f"{body}\n{forger.sign(body)}".encode()
    manifest["key"] = forger.verifier.vkey
    files["manifest.json"] = verify.manifest_text(manifest)
    assert "is not the one that you trust" in released.check(files).wrong[0]


def test_a_checkpoint_kept_outside_has_to_agree(released: Released, tmp_path: Path) -> None:
    folder = released.package.write(tmp_path / "lot")
    same = tmp_path / "same.txt"
    same.write_bytes(released.files["checkpoint.txt"])
    assert run("package", folder, "--key", released.key, "--checkpoint", same).returncode == 0


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("../outside.txt", "is no name of a file"),
        ("/etc/passwd", "is no name of a file"),
        ("raw/a\nb.txt", "is no name of a file"),
        ("extra.txt", "is not of this package"),
        ("records/people_user.jsonl", "is not of this package"),
    ],
)
def test_files_that_do_not_belong_are_named(released: Released, name: str, problem: str) -> None:
    assert any(problem in wrong for wrong in released.check(released.files | {name: b"x"}).wrong)


def test_a_bomb_is_refused_before_it_is_read(released: Released, tmp_path: Path) -> None:
    place = tmp_path / "bomb.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("manifest.json", b"0" * 50_000_000)
    done = run("package", place, "--key", released.key)
    assert (done.returncode, "is compressed" in done.stdout) == (1, True)
    place.write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    assert run("package", place, "--key", released.key).returncode == 1
