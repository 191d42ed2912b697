"""Changing records and signing them. Every service of every room goes through `change`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from baro.apps.ledger import accountability, errors
from baro.apps.ledger.models import Accountability, Meaning, Signature
from baro.database.context import Context


class Actor(Protocol):
    """Who acts: a person (`people.User`) or a program (`Program`)."""

    @property
    def id(self) -> UUID | None: ...
    @property
    def company_id(self) -> UUID | None: ...
    @property
    def display_name(self) -> str: ...
    def may(self, permission: str) -> bool: ...
    def why_not(self, permission: str) -> errors.NotPermitted: ...


class Signer(Actor, Protocol):
    """A person who can prove who they are."""

    role: str

    @property
    def roles(self) -> Sequence[str]: ...
    def check_password(self, raw_password: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Program:
    """Software that acts by itself, such as the worker. It may do what is not reserved for people."""

    display_name: str
    company_id: UUID | None
    id: None = None

    def may(self, permission: str) -> bool:
        return not permission

    def why_not(self, permission: str) -> errors.NotPermitted:
        return errors.NotPermitted(who=self.display_name, permission=permission, roles="-")


@contextmanager
def change(actor: Actor, reason: str, permission: str = "") -> Iterator[None]:
    """One transaction, one reason: what the body writes is audited as done by `actor` because of `reason`.

    Raises NotPermitted when `actor` lacks `permission`, ReasonMissing for an empty reason.
    """
    if permission and not actor.may(permission):
        raise actor.why_not(permission)
    if not reason.strip():
        raise errors.ReasonMissing
    with _within(Context(actor.company_id, actor.id, actor.display_name, reason.strip())):
        yield


@contextmanager
def reading(company: UUID | None) -> Iterator[None]:
    """One transaction that sees the rows of `company` and changes nothing."""
    with _within(Context(company)):
        yield


@dataclass(frozen=True, slots=True)
class Opened:
    """A signature dialog as it was opened, kept on the server: for one record, as it was then.

    `seen` is the content hash that was on the page, `rights` what the person could do, `signatures` how many
    the record had.
    """

    nonce: UUID
    act: str
    record_type: str
    record_id: UUID
    seen: str
    rights: str
    signatures: int


def sign(
    signer: Signer,
    password: str,
    *,
    record_type: str,
    record_id: UUID,
    content: Mapping[str, Any],
    meaning: Meaning,
    reason: str,
    at: datetime | None = None,
    opened: Opened | None = None,
) -> Signature:
    """Sign `content` of a record; call inside `change`. The signer proves their identity with the password.

    `opened` is the dialog in which it happens; it signs its record once. Raises WrongPassword,
    AccountabilityMissing before the statement was accepted, DialogUsed for a request that comes a second
    time, SignedMeanwhile when somebody else signed the record after the dialog was opened.
    """
    if not signer.check_password(password):
        raise errors.WrongPassword
    if meaning != Meaning.ACCOUNTABILITY and not has_accepted(signer):
        raise errors.AccountabilityMissing(who=signer.display_name)
    with connection.cursor() as cursor:
        # one signature of a record after the other, so that of two at the same time one comes second
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"{record_type}/{record_id}"])
    if opened is not None:
        _still_open(opened, record_type, record_id)
    signature = Signature(
        company_id=signer.company_id,
        signer_id=signer.id,
        signer_name=signer.display_name,
        signer_role=signer.role,
        meaning=meaning,
        reason=reason.strip(),
        record_type=record_type,
        record_id=record_id,
        content_hash=content_hash(content),
        dialog=opened.nonce if opened else None,
        signed_at=at or timezone.now(),
    )
    signature.seal = seal_of(signature)
    signature.save(force_insert=True)
    return signature


def signatures_of(record_type: str, record_id: UUID) -> int:
    """How many signatures a record has."""
    return Signature.objects.filter(record_type=record_type, record_id=record_id).count()


def has_accepted(signer: Actor) -> bool:
    """Has this person accepted the statement of accountability as it reads now?"""
    return Accountability.objects.filter(user_id=signer.id, version=accountability.VERSION).exists()


def accept_accountability(signer: Signer, password: str) -> None:
    """Keep and sign a person's acceptance of the statement; a second time changes nothing.

    Raises WrongPassword. Prove the identity before, so that a refused attempt stays on record.
    """
    with change(signer, "accountability statement accepted"):
        if has_accepted(signer):
            return
        accepted = Accountability(
            company_id=signer.company_id,
            user_id=signer.id,
            version=accountability.VERSION,
            text_ko=accountability.TEXT_KO,
            text_en=accountability.TEXT_EN,
        )
        accepted.signature = sign(
            signer,
            password,
            record_type="ledger.Accountability",
            record_id=accepted.id,
            content=accepted_content(accepted),
            meaning=Meaning.ACCOUNTABILITY,
            reason="accountability statement accepted",
        )
        accepted.save(force_insert=True)


def accepted_content(accepted: Accountability) -> dict[str, str]:
    """What the signature under the statement stands for."""
    return {
        "user": str(accepted.user_id),
        "version": accepted.version,
        "ko": accepted.text_ko,
        "en": accepted.text_en,
    }


def signature_holds(signature: Signature, content: Mapping[str, Any]) -> bool:
    """Does `signature`, by this person at this time with this meaning, stand for `content`?"""
    return seal_of(signature) == signature.seal and content_hash(content) == signature.content_hash


def seal_of(signature: Signature) -> str:
    """What is signed: which content of which record, and who signed it, as what, when, with which meaning and why."""
    return content_hash(
        {
            "signature": str(signature.id),
            "content": signature.content_hash,
            "record": [signature.record_type, str(signature.record_id)],
            "signer": [str(signature.signer_id), signature.signer_name, str(signature.signer_role)],
            "meaning": str(signature.meaning),
            "reason": signature.reason,
            "signed_at": signature.signed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        }
    )


def _still_open(opened: Opened, record_type: str, record_id: UUID) -> None:
    if Signature.objects.filter(dialog=opened.nonce, record_type=record_type, record_id=record_id).exists():
        raise errors.DialogUsed
    if (opened.record_type, opened.record_id) != (record_type, record_id):
        raise errors.RecordChanged
    if signatures_of(record_type, record_id) != opened.signatures:
        raise errors.SignedMeanwhile


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of `content`: sorted keys, no spaces, UTF-8."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def canonical_json(content: Any) -> bytes:
    """One text for one content. Floats keep their shortest exact form; NaN is refused (ValueError)."""
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=str
    ).encode()


@contextmanager
def _within(context: Context) -> Iterator[None]:
    """One transaction under `context`; inside a longer transaction its context is left as it was found."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            before = _context(cursor)
            context.apply(cursor)
        yield
        with connection.cursor() as cursor:
            before.apply(cursor)


def _context(cursor: Any) -> Context:
    cursor.execute(
        "SELECT current_setting('baro.company', true), current_setting('baro.actor_id', true),"
        " current_setting('baro.actor', true), current_setting('baro.reason', true)"
    )
    company, actor_id, actor, reason = cursor.fetchone()
    return Context(UUID(company) if company else None, UUID(actor_id) if actor_id else None, actor or "", reason or "")
