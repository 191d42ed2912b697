"""Changing records and signing them. Every service of every room goes through `change`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from baro.apps.ledger import errors
from baro.apps.ledger.models import Meaning, Signature
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
) -> Signature:
    """Sign `content` of a record; call inside `change`. The signer proves their identity with the password.

    Raises WrongPassword. The signature holds a SHA-256 over the content and over who signs, when and
    what for, so it stands for exactly that.
    """
    if not signer.check_password(password):
        raise errors.WrongPassword
    signature = Signature(
        company_id=signer.company_id,
        signer_id=signer.id,
        signer_name=signer.display_name,
        signer_role=signer.role,
        meaning=meaning,
        reason=reason.strip(),
        record_type=record_type,
        record_id=record_id,
        signed_at=at or timezone.now(),
    )
    signature.content_hash = _signed_hash(signature, content)
    signature.save(force_insert=True)
    return signature


def signature_holds(signature: Signature, content: Mapping[str, Any]) -> bool:
    """Does `signature`, by this person at this time with this meaning, stand for `content`?"""
    return _signed_hash(signature, content) == signature.content_hash


def _signed_hash(signature: Signature, content: Mapping[str, Any]) -> str:
    """What is signed: the content, and who signed it, as what, when, with which meaning and why."""
    signed = {
        "content": content,
        "record": [signature.record_type, str(signature.record_id)],
        "signer": [str(signature.signer_id), signature.signer_name, str(signature.signer_role)],
        "meaning": str(signature.meaning),
        "reason": signature.reason,
        "signed_at": signature.signed_at.astimezone(UTC).isoformat(timespec="microseconds"),
    }
    return content_hash(signed)


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
