"""Hashing journals and stored files again, and keeping what came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.models import Company
from baro.apps.plant.files.models import FileCheck
from baro.apps.plant.queries import historian
from baro.config import config
from baro.historian.check_journal import FilesReport

MOST = 200
"""Findings that one check keeps by name; all of them are counted by `baro verify records`."""


def stores_of(company: UUID) -> dict[str, Path]:
    """The storages of the agents of a company that this server reads. Call inside a transaction of the company."""
    code = Company.objects.get(id=company).code
    named = (key.partition("/") for key in config().file_stores)
    return {agent: config().file_stores[f"{of}/{agent}"] for of, _slash, agent in named if of == code}


def look(company: UUID) -> FilesReport:
    """Hash everything of a company again."""
    with reading(company):
        return historian(company).check_files(stores_of(company))


def check_files(company: UUID) -> FileCheck | None:
    """Hash everything of a company again, and keep what came out; None where there is no journal."""
    started = timezone.now()
    with reading(company):
        store, stores = historian(company), stores_of(company)
        heads = {head.agent: head.number for head in store.journal_heads() if head.agent in stores}
        report = store.check_files(stores)
    if not report.entries:
        return None
    with change(Program("baro worker", company), "stored files checked"):
        return FileCheck.objects.create(
            company_id=company,
            started_at=started,
            entries=report.entries,
            files=report.files,
            heads=heads,
            findings=[asdict(finding) for finding in report.wrong[:MOST]],
            notes=report.notes,
        )
