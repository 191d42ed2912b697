"""A lot of another installation, taken in with all it hangs on from the package that proves it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from baro.apps.ledger.archive.errors import PackageNotFitting, PackageWrong
from baro.apps.ledger.archive.importing import Intake, Verified, keep, verified
from baro.apps.ledger.errors import ReasonMissing
from baro.apps.ledger.models import ImportedPackage
from baro.apps.ledger.services import Actor, change
from baro.apps.release.foundations import TABLES
from baro.apps.release.package import rooms_of_lots
from baro.apps.release.retention import LOT
from baro.apps.release.verification import verify_batch
from baro.config import config
from baro.edge.blocks import Kind
from baro.historian import lake

BASIS = (
    "people_site",
    "quality_product",
    "quality_controlstrategy",
    "quality_releasecriterion",
    "plant_equipment",
    "plant_instrument",
    "plant_tag",
    *TABLES,
    "ledger_signature",
)
"""What a lot hangs on, and what several lots share."""
LOTS = {
    "manufacturing_lot": "lot_no",
    "pat_predictionblock": "lot_no",
    "historian_block": "lot",
    "historian_segment": "lot",
    "historian_gap": "lot",
}
"""Tables whose rows are of this lot only, by the column that says so."""
SHARED = ("historian_axis", "historian_event")


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of an import. `new`: False when this package had been taken in before, and nothing was done."""

    lot_no: str
    record: ImportedPackage
    new: bool


def import_batch(actor: Actor, place: Path, keys: list[str], reason: str, origin: str = "") -> Taken:
    """Take a lot into the actor's company: all of it, verified and computed again, or nothing.

    place: a package as a folder or zip. keys: public keys of its log; origin: the name that the log must have.

    Raises ReasonMissing, PackageNotPinned, PackageWrong, PackageNotFitting, RecordsThere, RecordDiffers,
    ImportFailed.
    """
    if not reason.strip():
        raise ReasonMissing
    company = actor.company_id
    assert company is not None
    data_dir = config().data_dir
    with verified(place, keys, origin, data_dir, company) as package:
        if package.subject != LOT:
            raise PackageNotFitting(record=package.subject)
        why = f"imported from {package.origin}, package {package.name}, SHA-256 {package.sha256}: {reason.strip()}"
        written: list[Path] = []
        try:
            with change(actor, why):
                known = ImportedPackage.objects.filter(export_id=package.export_id).first()
                if known is not None:
                    return Taken(known.name, known, new=False)
                record = _take_in(package, company, data_dir, written)
        except BaseException:
            for path in written:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
    return Taken(record.name, record, new=True)


def _take_in(package: Verified, company: UUID, data_dir: Path, written: list[Path]) -> ImportedPackage:
    rooms = [model._meta.db_table for model, _ in rooms_of_lots()] + ["release_certificate", "ledger_legalhold"]
    for table in package.tables:
        if table not in ("people_company", *BASIS, *LOTS, *SHARED, *rooms):
            raise PackageNotFitting(record=table)
    _of_one_lot(package)
    intake = Intake(package, company)
    for table in BASIS:
        intake.add_or_keep(table)
    for table in ("manufacturing_lot", *rooms):
        intake.add(table)
    for table in SHARED:
        intake.add_or_keep_by("digest", table)
    intake.add("historian_gap")
    intake.add("pat_predictionblock")
    files = _add_segments(intake, intake.add("historian_block"))
    record = ImportedPackage.objects.create(
        company_id=company,
        subject=package.subject,
        subject_id=package.subject_id,
        name=package.name,
        origin=package.origin,
        key=package.key,
        checkpoint=package.note,
        export_id=package.export_id,
        contents=package.contents,
        held=_held(package, intake),
        path=package.path,
        sha256=package.sha256,
    )
    intake.settle()
    # the catalogue has agreed to these names, so no file of another segment is in their place
    for name, path in files:
        content = package.source.read(name)
        if not (data_dir / path).exists():
            written.append(data_dir / path)
        lake.write(data_dir, path, content)
    if keep(data_dir, package):
        written.append(data_dir / package.path)
    report = verify_batch(company, package.name)
    if not report.equal:
        raise PackageWrong(problem=str(report.differences[0]))
    return record


def _of_one_lot(package: Verified) -> None:
    lots = package.rows("manufacturing_lot")
    if [(str(lot["id"]), lot["lot_no"]) for lot in lots] != [(str(package.subject_id), package.name)]:
        raise PackageNotFitting(record="manufacturing_lot")
    if len(package.rows("people_company")) != 1:
        raise PackageNotFitting(record="people_company")
    for table, column in LOTS.items():
        for row in package.rows(table):
            if row.get(column) != package.name:
                raise PackageNotFitting(record=f"{table} {row['id']}")
    for hold in package.rows("ledger_legalhold"):
        if (hold.get("record_type"), hold.get("record_id")) != (LOT, str(package.subject_id)):
            raise PackageNotFitting(record=f"ledger_legalhold {hold['id']}")


def _add_segments(intake: Intake, blocks: dict[str, int]) -> Iterable[tuple[str, str]]:
    """Catalogue the sealed files; (file of the package, path in the lake) of each."""
    files = []
    for line, row in zip(
        intake.package.lines("historian_segment"), intake.package.rows("historian_segment"), strict=True
    ):
        name = str(row["path"]).rsplit("/", 1)[-1]
        try:
            root = bytes.fromhex(str(row["root_digest"]).removeprefix("\\x"))
            path = lake.relative_path(intake.company, row["lot"], row["source"], Kind(row["kind"]), root)
            given: dict[str, Any] = {"path": path, "blocks": [blocks[str(block)] for block in row["blocks"]]}
        except (LookupError, TypeError, ValueError) as error:
            raise PackageNotFitting(record=f"historian_segment {row['id']}: {error!r}") from error
        if path.rsplit("/", 1)[-1] != name:
            raise PackageNotFitting(record=f"historian_segment {row['id']}: {name}")
        number = intake.insert("historian_segment", line, row, given)
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT historian_adopt(%s, %s)", [number, given["blocks"]])
        except DatabaseError as error:
            raise PackageNotFitting(record=f"historian_segment {row['id']}: {error}") from error
        files.append((f"raw/{name}", path))
    return files


def _held(package: Verified, intake: Intake) -> dict[str, Any]:
    """What the package says that is no record here: its company, and who is named by an account that is not here."""
    actors = package.actors() if intake.left_out else {}
    return {
        "company": package.rows("people_company")[0],
        "people": {where: {"id": who, "name": actors.get(who, "")} for where, who in intake.left_out.items()},
    }
