"""What is no package of a log that is known, or does not fit, is refused whole: no row, no file, and told why."""

from __future__ import annotations

import io
import json
import os
import resource
import secrets
import shutil
import signal
import stat
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from baro.apps.ledger.archive import package as packages
from baro.apps.ledger.archive.errors import (
    ImportFailed,
    PackageNotFitting,
    PackageNotPinned,
    PackageWrong,
    RecordsThere,
)
from baro.apps.ledger.archive.package import Contents, Package
from baro.apps.ledger.errors import BaroError, ReasonMissing
from baro.apps.ledger.merkle import Signer
from baro.apps.ledger.models import AuditEntry, ImportedPackage
from baro.apps.ledger.services import Program, change, reading
from baro.apps.ledger.standalone import verify
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.samples import Row
from baro.apps.pat.services import operator_for
from baro.apps.people.models import User
from baro.apps.people.services import create_company
from baro.apps.plant.models import Instrument
from baro.apps.quality.models import ControlStrategy, Product
from baro.apps.quality.services import approve_strategy, draft_strategy
from baro.apps.release.foundations import TABLES
from baro.apps.release.importing import import_batch
from baro.apps.release.package import collect, export_batch
from baro.config import config
from baro.demo.seed import CRITERIA
from baro.simulator.tablets import load_tablets
from tests.apps.ledger.packages import Released, released
from tests.apps.pat.making import Room
from tests.apps.release.importing import SET_UP, TAKE_IN, rows_of
from tests.continuity.installations import Installation, work
from tests.plant import LOTS, Plant
from tests.plant import work as all_work

__all__ = ["released", "work"]


@dataclass(frozen=True)
class Keeper:
    """A company that holds nothing yet."""

    company: object
    actor: Program

    @property
    def files(self) -> list[Path]:
        folder = config().data_dir / str(self.company)
        return [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]

    def holds_nothing(self) -> bool:
        with reading(self.company):  # type: ignore[arg-type]
            entries = AuditEntry.objects.exclude(table_name="people_company").exists()
            return not (entries or Lot.objects.exists() or ImportedPackage.objects.exists() or self.files)


@pytest.fixture
def keeper(database: str) -> Keeper:
    code = f"t{secrets.token_hex(6)}"
    company = create_company(code, "보관", "Archive").id
    return Keeper(company, Program("baro import", company))


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    verify.write_zip(out, [(name, lambda content=content: io.BytesIO(content)) for name, content in files.items()])
    return out.getvalue()


def packed(files: dict[str, bytes], link: str = "") -> bytes:
    """The zip of these files; `link` is one that says it is a symbolic link."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, ((stat.S_IFLNK | 0o777) if name == link else 0o644) << 16
            target.writestr(info, files[name])
    return out.getvalue()


def changed(files: dict[str, bytes], name: str) -> dict[str, bytes]:
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    return files | {name: bytes(content)}


def a(files: dict[str, bytes], start: str) -> str:
    return next(name for name in sorted(files) if name.startswith(start))


def newer(files: dict[str, bytes]) -> dict[str, bytes]:
    manifest = json.loads(files["manifest.json"]) | {"format": "baro.package.2", "more": 1}
    return files | {"manifest.json": verify.manifest_text(manifest)}


def doubled(files: dict[str, bytes]) -> bytes:
    return packed({"aaaa": b"1", "aaab": b"2"}).replace(b"aaab", b"aaaa")


def claims_more(files: dict[str, bytes]) -> bytes:
    """A stored file that says it is four gigabytes."""
    content = bytearray(packed({"manifest.json": b"{}"}))
    at = content.index(b"PK\x01\x02")
    content[at + 20 : at + 28] = struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0)
    return bytes(content)


def encrypted(files: dict[str, bytes]) -> bytes:
    content = bytearray(packed({"manifest.json": b"{}"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def bomb(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("manifest.json", b"0" * 50_000_000)
    return out.getvalue()


BAD: dict[str, tuple[Callable[[dict[str, bytes]], bytes], type[BaroError], str]] = {
    "record": (lambda f: zipped(changed(f, "records/manufacturing_lot.jsonl")), PackageWrong, "manufacturing_lot"),
    "raw": (lambda f: zipped(changed(f, a(f, "raw/spectra"))), PackageWrong, "raw/spectra"),
    "certificate": (lambda f: zipped(changed(f, a(f, "certificates/"))), PackageWrong, "certificates/"),
    "log": (lambda f: zipped(changed(f, "log.jsonl")), PackageWrong, "log.jsonl"),
    "checkpoint": (lambda f: zipped(changed(f, "checkpoint.txt")), PackageWrong, "checkpoint.txt"),
    "missing": (lambda f: zipped({k: v for k, v in f.items() if not k.startswith("raw/")}), PackageWrong, "is missing"),
    "more": (lambda f: zipped(f | {"extra.txt": b"x"}), PackageWrong, "is not of this package"),
    "parent": (lambda f: zipped(f | {"../outside.txt": b"x"}), PackageWrong, "is no name of a file"),
    "absolute": (lambda f: zipped(f | {"/etc/passwd": b"x"}), PackageWrong, "is no name of a file"),
    "backslash": (lambda f: zipped(f | {"raw\\..\\x": b"x"}), PackageWrong, "is no name of a file"),
    "device": (lambda f: zipped(f | {"raw/NUL.parquet": b"x"}), PackageWrong, "is no name of a file"),
    "twice": (doubled, PackageWrong, "one is there twice"),
    "link": (lambda f: packed(f, "verify.py"), PackageWrong, "the zip has other bytes"),
    "bomb": (bomb, PackageWrong, "is compressed"),
    "claims": (claims_more, PackageWrong, "larger than it is"),
    "encrypted": (encrypted, PackageWrong, "is encrypted"),
    "truncated": (lambda f: zipped(f)[:-1000], PackageWrong, "cannot be read as a zip"),
    "appended": (lambda f: zipped(f) + b"x", PackageWrong, "the zip has other bytes"),
    "empty": (lambda f: b"", PackageWrong, "cannot be read as a zip"),
    "newer": (lambda f: zipped(newer(f)), PackageNotFitting, "baro.package.2"),
}


@pytest.mark.clause("Part 11 11.10(b)", "Part 11 11.10(e)", "ASVS 5.2.2", "ASVS 5.2.3")
@pytest.mark.parametrize("case", BAD)
def test_what_is_no_package_leaves_nothing(released: Released, keeper: Keeper, tmp_path: Path, case: str) -> None:
    make, error, told = BAD[case]
    place = tmp_path / "lot.zip"
    place.write_bytes(make(released.files))
    with pytest.raises(error, match=told.replace("(", r"\(")):
        import_batch(keeper.actor, place, [released.key], "kept for the owner of the licence")
    assert keeper.holds_nothing()


def test_a_folder_with_what_is_no_file_is_refused(released: Released, keeper: Keeper, tmp_path: Path) -> None:
    folder = released.package.write(tmp_path / "lot")
    (folder / "raw" / "link").symlink_to("/etc/passwd")
    with pytest.raises(PackageWrong, match="is a link"):
        import_batch(keeper.actor, folder, [released.key], "kept")
    (folder / "raw" / "link").unlink()
    os.mkfifo(folder / "raw" / "pipe")
    with pytest.raises(PackageWrong, match="is no plain file"):
        import_batch(keeper.actor, folder, [released.key], "kept")
    for place in (Path("/dev/zero"), folder / "raw" / "pipe", tmp_path / "nowhere"):
        with pytest.raises(PackageWrong, match="neither a folder nor a file"):
            import_batch(keeper.actor, place, [released.key], "kept")
    assert keeper.holds_nothing()


@pytest.mark.clause("Annex 11 7.1")
def test_only_a_package_of_the_log_that_was_named_is_taken(released: Released, keeper: Keeper, tmp_path: Path) -> None:
    place = released.package.write(tmp_path / "lot.zip")
    name = released.key.split("+")[0]
    stranger = Signer.new(name).verifier.vkey
    for keys, origin, error in (
        ([], "", PackageNotPinned),
        ([stranger], "", PackageWrong),
        (["no key"], "", PackageWrong),
        ([released.key], "another.log", PackageWrong),
    ):
        with pytest.raises(error):
            import_batch(keeper.actor, place, keys, "kept", origin)
    with pytest.raises(ReasonMissing):
        import_batch(keeper.actor, place, [released.key], " ")
    assert keeper.holds_nothing()


def test_a_lot_is_in_an_installation_once(released: Released, keeper: Keeper, tmp_path: Path) -> None:
    place = released.package.write(tmp_path / "lot.zip")
    with pytest.raises(RecordsThere):
        import_batch(keeper.actor, place, [released.key], "kept")
    assert keeper.holds_nothing()


def test_accounts_do_not_come_with_a_package(released: Released, keeper: Keeper, tmp_path: Path) -> None:
    """Even a log that is trusted brings no people, rights or settings."""
    plant = released.plant

    def found() -> Contents:
        contents = collect(plant.company, released.lot_no)
        contents.add("people_user", [User.objects.get(username=f"{plant.code}-quality1").id])
        return contents

    forged: Package = packages.export(Program("tester", plant.company), "with an account", found, lambda _: b"")
    place = forged.write(tmp_path / "lot.zip")
    with pytest.raises(PackageNotFitting, match="people_user"):
        import_batch(keeper.actor, place, [released.key], "kept")
    assert keeper.holds_nothing()


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes: what a full disk is to whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_half_written(released: Released, keeper: Keeper, tmp_path: Path) -> None:
    place = released.package.write(tmp_path / "lot.zip")
    with longest_file(100_000), pytest.raises(ImportFailed, match="too large"):
        import_batch(keeper.actor, place, [released.key], "kept")
    assert keeper.holds_nothing()


def read(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def by_people(released: Released) -> Released:
    """The same lot, whose strategy is a person's work, exported again."""
    plant = released.plant
    author = plant.user("science1")
    with change(author, "named as the author"):
        ControlStrategy.objects.update(drafted_by=author)
    return replace(released, package=export_batch(Program("tester", plant.company), released.lot_no, "to the archive"))


def of_a_method(plant: Plant) -> CalibrationModel:
    """A model that people built for a method from a data set, validated, approved and put in force on the analyser."""
    room = Room(plant)
    names, at, spectra = load_tablets()
    with reading(plant.company):
        known = CalibrationModel.objects.get()
        values = operator_for(known.digest).predict(spectra).value
    random = np.random.default_rng(11)
    values = values + random.normal(0.0, 1.0, len(values))
    rows = [Row(names[i], f"L{i // 8}", float(values[i]), None, spectra[i]) for i in range(0, 320, 2)]
    facts = {"axis": at, "axis_unit": "nm"}
    calibration = room.frozen("tablets", rows[:120], **facts)
    test_set = room.frozen("tablets-test", rows[120:], "test", **facts)
    criteria = [{"figure": "rmsep", "comparison": "at_most", "limit": 5.0}]
    method = room.method(nominal=200.0, criteria=criteria)
    recipe = [{"step": "snv"}, {"step": "savgol", "window": 15}, {"step": "pls", "components": 5}]
    model = room.approved(room.model(method, calibration, recipe), test_set)
    room.in_force(model)
    return model


def next_lot(released: Released) -> tuple[str, Package]:
    """A later lot, after the analyser was calibrated, under a newer strategy, with a model of a method."""
    plant, lot_no = released.plant, LOTS["B"].number
    author = plant.user("science1")
    with change(author, "calibrated"):
        Instrument.objects.update(calibrated_until=date(2031, 5, 6))
        product = Product.objects.get()
    model = of_a_method(plant)
    strategy = draft_strategy(author, product, model.digest, CRITERIA, "second version")
    approve_strategy(plant.user("quality1"), plant.password, strategy, "second version")
    with change(author, "planned anew"):
        Lot.objects.filter(lot_no=lot_no).update(strategy=strategy)
    plant.collect("B", tablets=40)
    all_work(plant.online())
    return lot_no, export_batch(Program("tester", plant.company), lot_no, "to the archive")


@pytest.mark.clause("Part 11 11.10(b)", "Part 11 11.10(c)", "Annex 11 4.8", "Annex 11 17")
def test_a_lot_is_the_same_in_another_installation(released: Released, work: Path) -> None:
    there = Installation(work / "there", "archive")
    earlier = released.package.write(work / "earlier.zip")
    released, lot_no = by_people(released), released.lot_no
    place = released.package.write(work / "lot.zip")
    next_no, next_package = next_lot(released)
    next_place = next_package.write(work / "next.zip")
    words = ("import", "batch", place, "--key", released.key, "--reason", "kept for the licence")
    product = json.loads(released.files["records/quality_product.jsonl"])
    try:
        there.run("-m", "baro", "migrate")
        there.run("-c", SET_UP, product["code"])
        # cut off when a file is there, and before anything is said to be
        with there.start("-m", "baro", *words) as cut:
            until = time.monotonic() + 60
            while not list((there.home / "lake").rglob("*.parquet")):
                assert cut.poll() is None, cut.communicate()
                assert time.monotonic() < until
                time.sleep(0.002)
            cut.send_signal(signal.SIGKILL)
            assert cut.wait() == -signal.SIGKILL
        found = json.loads(there.run("-c", TAKE_IN, lot_no, work / "back", earlier, next_place, next_no, *words))
    finally:
        there.server.stop()

    assert found["after the cut"] == 0
    # where a code is another record's, nothing is mixed with it
    assert (found["other"][0], "ARC-0005" in found["other"][1]) == (2, True)
    assert "taken in and computed again: equal" in found["first"][1]
    assert "nothing was done" in found["second"][1]
    assert (found["first"][0], found["second"][0], found["verified"][0]) == (0, 0, 0)
    # another export of a lot that is here is not mixed with it either
    assert (found["another"][0], "ARC-0005" in found["another"][1]) == (2, True)
    # what both lots hang on is as the later export says
    assert found["next"][0] == 0, found["next"]
    assert found["before"]["calibrated"] != ["2031-05-06"]
    assert found["before"]["strategies"] == [[1, "approved"]]
    assert found["after"] == {"calibrated": ["2031-05-06"], "strategies": [[1, "superseded"], [2, "approved"]]}
    assert (found["verified again"][0], next_no in found["next"][1]) == (0, True)
    assert (found["records"], found["signatures"], found["by the worker"]) == ([], ["valid"], 0)
    ((name, digest, by, held),) = found["imported"]
    assert (name, by) == (lot_no, "baro import")
    assert found["reasons"][0] == "company set up"
    assert [digest in reason and "kept for the licence" in reason for reason in found["reasons"][1:]] == [True]
    kept = list((there.home / "lake").glob("*/packages/*.zip"))
    assert sorted(path.read_bytes() for path in kept) == sorted(each.read_bytes() for each in (place, next_place))
    assert not list((there.home / "lake").glob("*/packages/*.draft"))

    # the model of the later lot came with its method, its data sets by digest, its validation and its use
    assert (found["next verified"][0], found["signatures again"]) == (0, ["valid"]), found["next verified"]
    author = released.plant.user("science1")
    assert found["life"] == {
        "model": ["None", True, True],
        "data sets": [["tablets", "frozen", 0], ["tablets-test", "frozen", 0]],
        "protocol": ["judged", str(author.id), author.display_name],
        "runs": [[True, 40]],
        "deployment": ["active", True],
        "method": ["approved", [{"figure": "rmsep", "comparison": "at_most", "limit": 5.0}]],
    }
    assert found["records again"] == []
    folder = work / "back"
    the_next = read(folder / "next")
    assert replace(released, key=found["key"]).check(the_next).wrong == []
    theirs, ours = rows_of(the_next), rows_of(replace(released, package=next_package).files)
    people = {"made_by_id", "drafted_by_id", "run_by_id", "requested_by_id", "registered_by_id", "frozen_by_id"}
    for name in TABLES:
        for row in ours.get(name, []):
            row |= dict.fromkeys(people & row.keys())
        assert theirs.get(name) == ours.get(name), name
    shutil.rmtree(folder / "next")
    back = read(folder)
    assert replace(released, key=found["key"]).check(back).wrong == []
    ours, theirs = rows_of(released.files), rows_of(back)
    left_out = {where.split("/")[2] for where in held["people"]}
    assert left_out == {"drafted_by_id", "requested_by_id"}
    assert all(who["name"] for who in held["people"].values())
    for row in ours["quality_controlstrategy"] + ours["pat_deployment"]:
        row |= dict.fromkeys(left_out & row.keys())
    assert theirs == ours
    same = [name for name in released.files if name.split("/")[0] in ("raw", "certificates", "models", "signed.jsonl")]
    assert len(same) > 5
    assert {name: back[name] for name in same} == {name: released.files[name] for name in same}
