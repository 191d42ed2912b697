"""A package that stands for itself: records, their whole trail with proofs, files, and the program that checks it.

It is made in two steps. First, in one snapshot, everything is collected and the list of contents becomes an entry
of the trail; then, when the log has taken that entry in, the proofs are made against one signed checkpoint. So the
list itself is proven, and with it every byte of every file.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

from django.apps import apps
from django.db import connection, transaction

from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.archive.errors import LogBehind, PlaceTaken
from baro.apps.ledger.log import EntryUnknown, inclusion_proof, index_of, integrate, newest_checkpoint
from baro.apps.ledger.merkle import leaf_hash
from baro.apps.ledger.models import ExportedPackage, Signature
from baro.apps.ledger.services import Actor, change, reading
from baro.apps.ledger.signing import signables
from baro.apps.ledger.standalone import verify

EXPORT = ExportedPackage._meta.db_table
BODIES = {"historian_block": ("body", "digests", "segment_id")}
"""Columns that are not in a table's file, because sealed files hold them, and the catalogue names the file."""

PATIENCE_S = 30.0
Content = bytes | Path


@dataclass
class Contents:
    """What belongs to a package: rows by table (keys in any order), and files by their path in the package."""

    subject: str
    subject_id: UUID
    name: str
    rows: dict[str, list[Any]] = field(default_factory=dict)
    files: dict[str, Content] = field(default_factory=dict)

    def add(self, table: str, keys: Iterable[Any]) -> None:
        """Add rows of a table, each once."""
        held = self.rows.setdefault(table, [])
        held += [key for key in dict.fromkeys(keys) if key is not None and key not in held]


@dataclass(frozen=True, slots=True)
class Package:
    """A finished package: every file by its name, in memory or where it lies."""

    name: str
    files: Mapping[str, Content]

    def opened(self, name: str) -> IO[bytes]:
        content = self.files[name]
        return content.open("rb") if isinstance(content, Path) else io.BytesIO(content)

    def write(self, target: Path) -> Path:
        """Write it as a folder, or as one file if `target` ends in .zip: whole or not at all. Raises PlaceTaken."""
        if target.exists() or target.is_symlink():
            raise PlaceTaken(place=target)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{uuid4().hex}.draft")
        if target.suffix == ".zip":
            with draft.open("xb") as out:
                self.write_zip(out)
                out.flush()
                os.fsync(out.fileno())
        else:
            for name in self.files:
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with self.opened(name) as source, path.open("xb") as out:
                    while chunk := source.read(1 << 20):
                        out.write(chunk)
                    os.fsync(out.fileno())
        draft.rename(target)
        return target

    def write_zip(self, out: IO[bytes]) -> None:
        """As the one zip that these files give."""
        verify.write_zip(out, [(name, lambda name=name: self.opened(name)) for name in self.files])  # type: ignore[misc]


def export(
    actor: Actor, reason: str, collect: Callable[[], Contents], record_pdf: Callable[[Contents], bytes]
) -> Package:
    """Make a package of what `collect` finds in the company's snapshot; `record_pdf` says it for people.

    The export itself is on record. Raises ReasonMissing, LogBehind.
    """
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:  # one moment for all that is read
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with change(actor, reason):
            found = collect()
            _add_signatures(found)
            written = dict(found.files) | _tables(found.rows)
            written["signed.jsonl"] = _signed(found.rows.get(Signature._meta.db_table, []))
            leaves = _leaves(found.rows)
            entry_ids = [key for key, _ in leaves]
            written["record.pdf"] = record_pdf(found)
            written["verify.py"] = files("baro.apps.ledger.standalone").joinpath("verify.py").read_bytes()
            written["README.txt"] = README.encode()
            record = ExportedPackage.objects.create(
                company_id=actor.company_id,
                subject=found.subject,
                subject_id=found.subject_id,
                name=found.name,
                contents=_contents(found, written, leaves),
            )
    return _proven(actor, record, written, entry_ids)


def _proven(actor: Actor, record: ExportedPackage, written: dict[str, Content], entry_ids: list[int]) -> Package:
    """The package with the proofs of these entries and of the export's own."""
    with reading(actor.company_id), connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM ledger_auditentry WHERE table_name = %s AND record_id = %s", [EXPORT, str(record.id)]
        )
        (own,) = cursor.fetchone()
    _taken_in([own, *entry_ids])
    with reading(actor.company_id):
        checkpoint = newest_checkpoint()
        assert checkpoint is not None
        lines = []
        for index, text in sorted((index_of(key), text) for key, text in _texts([own, *entry_ids])):
            proof = [b64encode(part).decode() for part in inclusion_proof(index, checkpoint.size)]
            lines.append(verify.log_line(index, text, proof))
        contents = ExportedPackage.objects.get(id=record.id).contents
    manifest = {
        "format": verify.FORMAT,
        "name": record.name,
        "export": str(record.id),
        "contents": contents,
        "log": checkpoint.note.split("\n", 1)[0],
        "key": checkpoint.key,
    }
    return Package(
        record.name,
        written
        | {
            "manifest.json": verify.manifest_text(manifest),
            "checkpoint.txt": checkpoint.note.encode(),
            "log.jsonl": b"".join(line + b"\n" for line in lines),
        },
    )


def _taken_in(entries: list[int]) -> None:
    """Wait until the log holds these entries. Raises LogBehind."""
    until = time.monotonic() + PATIENCE_S
    for entry in entries:
        while True:
            try:
                index_of(entry)
                break
            except EntryUnknown:
                if integrate() is None:
                    time.sleep(0.05)
                if time.monotonic() > until:
                    raise LogBehind from None


def _add_signatures(found: Contents) -> None:
    """Every signature of a record of the package, whatever it was given for."""
    by_type: dict[str, list[Any]] = {}
    for model in apps.get_models():
        if model._meta.db_table in found.rows:
            by_type[f"{model._meta.app_label}.{model.__name__}"] = found.rows[model._meta.db_table]
    for record_type, keys in by_type.items():
        given = Signature.objects.filter(record_type=record_type, record_id__in=_uuids(keys))
        found.add(Signature._meta.db_table, given.order_by("signed_at", "id").values_list("id", flat=True))


def _uuids(keys: Iterable[Any]) -> list[UUID]:
    return [key for key in keys if isinstance(key, UUID)]


def _tables(rows: Mapping[str, list[Any]]) -> dict[str, Content]:
    """One JSON object a row, as the trail writes it, in the order of the keys."""
    written: dict[str, Content] = {}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'UTC'; SET LOCAL bytea_output = 'hex'")
        for table, keys in rows.items():
            bodies = list(BODIES.get(table, ()))
            cursor.execute(
                f'SELECT (baro_redacted(to_jsonb(r)) - %s::text[])::text FROM "{table}" r'  # noqa: S608 - our tables
                " WHERE r.id::text = ANY (%s) ORDER BY r.id",
                [bodies, [str(key) for key in keys]],
            )
            written[f"records/{table}.jsonl"] = b"".join(row[0].encode() + b"\n" for row in cursor.fetchall())
    return written


def _signed(keys: Iterable[Any]) -> bytes:
    """What each signature was given for, found again from the records."""
    lines = []
    for signature in Signature.objects.filter(id__in=list(keys)).order_by("id"):
        kind = signables().get(signature.record_type)
        content = kind.content_of(signature.record_id, signature) if kind else None
        line = {"signature": str(signature.id), "content": dict(content or {})}
        lines.append(json.dumps(line, ensure_ascii=False, sort_keys=True, default=str).encode() + b"\n")
    return b"".join(lines)


def _leaves(rows: Mapping[str, list[Any]]) -> list[tuple[int, bytes]]:
    """(entry, leaf hash) of every entry of the trail of these rows, in order."""
    audited = {table for table, guard in guarded_tables().items() if guard.audited}
    found = []
    with connection.cursor() as cursor:
        for table, keys in rows.items():
            if table in audited:
                cursor.execute(
                    "SELECT e.id, ledger_leaf(e) FROM ledger_auditentry e"
                    " WHERE e.table_name = %s AND e.record_id = ANY (%s)",
                    [table, [str(key) for key in keys]],
                )
                found += [(key, leaf_hash(text.encode())) for key, text in cursor.fetchall()]
    return sorted(found)


def _texts(entries: list[int]) -> list[tuple[int, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT e.id, ledger_leaf(e) FROM ledger_auditentry e WHERE e.id = ANY (%s)", [entries])
        return list(cursor.fetchall())


def _contents(found: Contents, written: Mapping[str, Content], leaves: list[tuple[int, bytes]]) -> dict[str, Any]:
    guards = guarded_tables()
    return {
        "subject": found.subject,
        "tables": {
            table: {"rows": len(keys), "proof": "trail" if guards[table].audited else "package"}
            for table, keys in found.rows.items()
        },
        "files": {name: _described(content) for name, content in written.items()},
        "trail": {
            "entries": len(leaves),
            "sha256": hashlib.sha256(b"".join(hashed for _, hashed in leaves)).hexdigest(),
        },
    }


def _described(content: Content) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with content.open("rb") as file:
        return {"size": content.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


README = """\
바로(Baro) 기록 패키지
====================

이 패키지는 한 제조단위의 기록과 그 기록이 참조하는 모든 것을 담고 있으며, 바로 없이 오프라인으로 확인할 수 있습니다.

  python verify.py package . --key '로그의 공개키'

공개키는 이 패키지가 아닌 다른 경로로 받아야 합니다. verify.py 또한 신뢰하는 곳에서 받은 것을 쓰십시오.
Python 3.11 이상과 패키지 cryptography가 필요합니다. 종료 상태: 0 모두 유효, 1 이상 있음(무엇인지 한 줄씩 표시),
2 확인이 다 되지 않음.

  record.pdf          사람이 읽는 기록
  records/            기록, 표마다 한 파일 (JSON, 한 줄에 한 행)
  raw/                원시 데이터: 스펙트럼과 공정값 (Parquet)
  certificates/       발행된 시험성적서 (PDF)
  signed.jsonl        각 전자서명이 서명한 내용
  log.jsonl           감사 추적 항목과 머클 로그 포함 증명
  checkpoint.txt      로그의 서명된 체크포인트
  manifest.json       내용물 목록과 파일별 SHA-256


A package of records from Baro
==============================

It holds the records of one lot and all they refer to, and can be checked offline and without Baro.

  python verify.py package . --key 'public key of the log'

Get the public key by another way than this package, and use a verify.py from a source that you trust.
It needs Python 3.11 or newer and the package cryptography. Exit status: 0 all holds, 1 something does not (a line each
says what), 2 it could not be checked in full.

  record.pdf          the record for people
  records/            the records, a file a table (JSON, a row a line)
  raw/                raw data: spectra and process values (Parquet)
  certificates/       certificates as issued (PDF)
  signed.jsonl        what each electronic signature was given for
  log.jsonl           entries of the audit trail with proofs of inclusion in the Merkle log
  checkpoint.txt      the signed checkpoint of the log
  manifest.json       the list of contents with the SHA-256 of each file
"""
