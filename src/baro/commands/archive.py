"""``baro verify records`` and the commands of archive and continuity."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from baro.config import config
from baro.starting import setup_django, stop_event


def register(app: App, verify: App) -> None:
    """Add the commands of this room to `baro` and `baro verify`."""
    verify.command(records)
    verify.command(signatures)
    exports = App(name="export", help="Make a package that proves itself, for a stranger.")
    exports.command(export_batch, name="batch")
    app.command(exports)
    imports = App(name="import", help="Take in a package of another installation.")
    imports.command(import_batch, name="batch")
    app.command(imports)
    app.command(backup)
    app.command(restore)
    app.command(drill)


def export_batch(
    lot: str,
    place: Path,
    *,
    reason: Annotated[str, Parameter(help="Why the package is made; it is on record.")] = "exported by command",
) -> None:
    """Export a lot with its trail, proofs, signatures and raw data into a folder or a .zip."""
    with _records() as console:
        from baro.apps.ledger.archive.errors import PlaceTaken
        from baro.apps.ledger.services import Program
        from baro.apps.people.queries import company_of
        from baro.apps.release.package import export_batch as export

        if place.exists():
            raise PlaceTaken(place=place)
        package = export(Program("baro export", company_of(config().company)), lot, reason)
        console.print(f"{package.write(place)}: {len(package.files)} files", markup=False, soft_wrap=True)


def import_batch(
    package: Path,
    *,
    key: Annotated[tuple[str, ...], Parameter(help="Public key (vkey) of the package's log, from elsewhere.")] = (),
    origin: Annotated[str, Parameter(help="Name that the log must have. Empty: that of the key.")] = "",
    company: Annotated[str, Parameter(help="Code of the company that takes it in. Empty: BARO_COMPANY.")] = "",
    reason: Annotated[str, Parameter(help="Why it is taken in; it is on record.")] = "imported by command",
) -> None:
    """Take in a lot from a package of another installation: verified, computed again, all of it or nothing."""
    with _records() as console:
        from baro.apps.ledger.services import Program
        from baro.apps.people.queries import company_of
        from baro.apps.release.importing import import_batch as take_in

        actor = Program("baro import", company_of(company or config().company))
        taken = take_in(actor, package, list(key), reason, origin)
        record = taken.record
        state = "taken in and computed again: equal" if taken.new else "was taken in before; nothing was done"
        console.print(
            f"{taken.lot_no}: {state}; from {record.origin}, export {record.export_id}, SHA-256 {record.sha256}",
            markup=False,
            soft_wrap=True,
        )


def backup(
    place: Path,
    *,
    follow: Annotated[bool, Parameter(help="Go on: fetch the write-ahead log as it is written, until Ctrl-C.")] = False,
    end: Annotated[bool, Parameter(help="End following: the server keeps nothing for the backup any more.")] = False,
    with_keys: Annotated[bool, Parameter(help="Put the keys into the backup too; keep it like a key, then.")] = False,
) -> None:
    """Back the database, the sealed files and the newest checkpoint up into a folder."""
    with _records() as console:
        from baro.apps.ledger.archive import backup as archive
        from baro.apps.people.queries import company_of

        if end:
            archive.end_following()
            return
        # a folder that has a base already is followed further
        if not (follow and (place / "manifest.json").exists()):
            made = archive.back_up(place, company_of(config().company), with_keys=with_keys, keep_wal=follow)
            console.print(
                f"{made.folder}: {made.files} files, {made.size / 2**20:.0f} MiB, log of {made.log_size} entries",
                markup=False,
                soft_wrap=True,
            )
        if follow:
            archive.follow(place, stop_event())


def restore(
    backup: Path,
    *,
    into: Annotated[Path, Parameter(help="The new BARO_HOME; must be empty or not there.")],
    checkpoint: Annotated[
        tuple[Path, ...], Parameter(help="A checkpoint that was kept elsewhere, with which the log has to agree.")
    ] = (),
    report: Annotated[Path | None, Parameter(help="Write what was found as JSON. Its path.")] = None,
) -> None:
    """Restore a backup into an empty place, to the last of its write-ahead log; exit 0 only if it proves itself."""
    # everything that is restored is of the new place, nothing of an installation that this process may know
    os.environ["BARO_HOME"] = str(into.resolve())
    os.environ["BARO_DATABASE_URL"] = f"postgresql://postgres:@/baro?host={into.resolve() / 'postgres'}"
    for name in ("BARO_OWNER_URL", "BARO_READER_URL"):
        os.environ.pop(name, None)
    # the key of sessions is restored or made anew; until then nothing may lie in the empty place
    os.environ.setdefault("BARO_SECRET_KEY", secrets.token_urlsafe(50))
    config.cache_clear()
    with _records() as console:
        from baro.apps.ledger.archive import restore as archive
        from baro.apps.ledger.archive.backup import write_json
        from baro.database.embedded import EmbeddedServer

        notes = archive.outside_notes(backup, list(checkpoint))
        manifest = archive.lay_out(backup, into)
        server = EmbeddedServer(into.resolve() / "postgres")
        server.start()
        try:
            found = archive.examine(manifest, notes)
        finally:
            server.stop()
        if report is not None:
            write_json(report, found.as_json())
        for problem in found.wrong:
            console.print(f"WRONG  {problem}", markup=False, soft_wrap=True)
        state = "holds" if found.passed else "DOES NOT HOLD"
        console.print(f"{into}: {state}; log of {found.size} entries, root {found.root}", markup=False, soft_wrap=True)
        sys.exit(0 if found.passed else 1)


def drill(
    *,
    report: Annotated[Path | None, Parameter(help="Write the signed report as JSON. Its path.")] = None,
    folder: Annotated[Path | None, Parameter(help="Where to work. Default: the system's temporary folder.")] = None,
) -> None:
    """Try a restore: back up, restore elsewhere on this machine, prove it, and leave a signed record."""
    with _records() as console:
        from baro.apps.ledger.archive.drill import drill as run_drill
        from baro.apps.people.queries import company_of

        record = run_drill(company_of(config().company), report, folder)
        for problem in record.report["wrong"]:
            console.print(f"WRONG  {problem}", markup=False, soft_wrap=True)
        console.print(
            f"restore drill {'passed' if record.passed else 'FAILED'}: log of {record.report['size']} entries,"
            f" root {record.report['root']}",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(0 if record.passed else 1)


@contextmanager
def _records() -> Iterator[Any]:
    """Work with records; an error that people read is shown, and ends the command with 2."""
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError

    console = Console(highlight=False)
    try:
        yield console
    except BaroError as error:
        console.print(f"{error} {error.advice_text}", markup=False, soft_wrap=True)
        sys.exit(2)


def records(
    *,
    company: Annotated[str, Parameter(help="Code of a company: only its records. Empty: all of them.")] = "",
    files: Annotated[bool, Parameter(help="Hash the files of stand-alone instruments again, too.")] = True,
) -> None:
    """Compare every record with what its audit trail says; exit 0 only when all are equal."""
    with _records() as console:
        from baro.apps.ledger.archive.replay import check_records
        from baro.apps.ledger.queries import one_line
        from baro.apps.people.queries import companies, company_of
        from baro.apps.plant.files.checking import look

        found = check_records(company_of(company) if company else None)
        for finding in found:
            console.print(f"{finding.kind.upper()}  {finding}", markup=False, soft_wrap=True)
        console.print("records: equal to their trail" if not found else f"records: {len(found)} NOT EQUAL")
        wrong = 0
        for each in ([company_of(company)] if company else companies()) if files else ():
            report = look(each)
            wrong += len(report.wrong)
            for problem in report.wrong:
                console.print(one_line(f"FILES  {problem.kind}  {problem}"), markup=False, soft_wrap=True)
            for note in report.notes:
                console.print(f"NOTE   {note}", markup=False, soft_wrap=True)
            if report.entries:
                console.print(
                    f"files: {report.files} hashed again, {report.entries} entries, {len(report.wrong)} wrong"
                )
    sys.exit(1 if found or wrong else 0)


def signatures(
    *,
    company: Annotated[str, Parameter(help="Code of a company: only its signatures. Empty: those of all.")] = "",
) -> None:
    """Look at every signature: does it stand for its record as it is now? Exit 0 only when all hold."""
    from collections import Counter

    with _records() as console:
        from baro.apps.ledger.queries import one_line
        from baro.apps.ledger.services import reading
        from baro.apps.ledger.signing import Finding, check_all
        from baro.apps.people.models import Company
        from baro.apps.people.queries import companies, company_of

        counted: Counter[Finding] = Counter()
        for each in [company_of(company)] if company else companies():
            with reading(each):
                code = Company.objects.get(id=each).code
                for signature, finding in check_all():
                    counted[finding] += 1
                    if finding is Finding.VALID:
                        continue
                    named = (
                        f"signature {signature.id} of {signature.signer_name} at {signature.signed_at.isoformat()}"
                        f" on {signature.record_type} {signature.record_id}"
                    )
                    line = one_line(f"{finding.upper()}  {code}: {named}: {finding.label}")
                    console.print(line, markup=False, soft_wrap=True)
        for finding in Finding:
            console.print(f"{finding}: {counted[finding]}", markup=False)
        wrong = counted.total() - counted[Finding.VALID]
        console.print("signatures: all hold" if not wrong else f"signatures: {wrong} DO NOT HOLD")
    sys.exit(1 if wrong else 0)
