"""Reviewing the audit trail, by signature: a lot's before its release, and everything from time to time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, QuerySet

from baro.apps.ledger import errors
from baro.apps.ledger.audit import Profile, of_profile, of_records, reviewed_up_to
from baro.apps.ledger.belonging import Records, records_of
from baro.apps.ledger.models import ActorKind, AuditEntry, AuditReview, Meaning
from baro.apps.ledger.services import Opened, Signer, change, content_hash, sign, signatures_of
from baro.apps.ledger.signing import Finding, check, prove

PERMISSION = "review_audit"
LISTED = 200
_SPACE = UUID("3b0e7c1e-8f55-4c0e-9d0a-6f6a51a3c6b2")


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the trail that a review covers, as it is now. `authors`: ids of the people behind its entries;
    `programs`: whether software or a database login is among them."""

    scope: str
    subject: str
    from_entry: int
    up_to_entry: int
    count: int
    exceptions: list[int]
    authors: frozenset[UUID]
    programs: bool
    before: int

    @property
    def seen(self) -> str:
        """The SHA-256 of what is reviewed."""
        return content_hash(
            {
                "scope": self.scope,
                "subject": self.subject,
                "from": self.from_entry,
                "up_to": self.up_to_entry,
                "count": self.count,
                "exceptions": self.exceptions,
            }
        )

    def key(self, reviewer: UUID | None) -> UUID:
        """The key of the review that this person would sign of it: one of each state of the trail."""
        return uuid.uuid5(_SPACE, f"{reviewer}/{self.scope}/{self.subject}/{self.seen}/{self.before}")


def scope_now(scope: str, subject: str, up_to: int | None = None) -> Scope:
    """What a review would cover at this moment, or as far as entry `up_to`. Raises NothingToReview."""
    found = _entries(scope, subject)
    if up_to is not None:
        found = found.filter(id__lte=up_to)
    told = found.aggregate(first=Min("id"), last=Max("id"), n=Count("id"))
    if not told["n"]:
        raise errors.NothingToReview
    people = found.exclude(actor_id=None).values_list("actor_id", flat=True).distinct()
    exceptions = of_profile(found, Profile.EXCEPTIONS).order_by("id").values_list("id", flat=True)
    return Scope(
        scope,
        subject,
        told["first"],
        told["last"],
        told["n"],
        list(exceptions[:LISTED]),
        frozenset(people),
        found.exclude(kind=ActorKind.PERSON).exists(),
        AuditReview.objects.filter(scope=scope, subject=subject).count(),
    )


def review(
    user: Signer,
    password: str,
    *,
    scope: str,
    subject: str = "",
    findings: str,
    seen: str,
    up_to: int,
    address: str | None = None,
    opened: Opened | None = None,
) -> AuditReview:
    """Sign a review of the trail up to an entry, as it was on the page (`seen`).

    Raises NotPermitted, WrongPassword, Locked, ReasonMissing without findings, RecordChanged when entries came
    in between, OwnEntriesOnly, and what `sign` raises.
    """
    if not user.may(PERMISSION):
        raise user.why_not(PERMISSION)
    prove(user, password, address)
    with change(user, findings, PERMISSION):
        now = scope_now(scope, subject, up_to)
        if now.seen != seen:
            raise errors.RecordChanged
        return _signed(user, password, now, findings, opened)


@dataclass(frozen=True, slots=True)
class Marked:
    """One lot of a list whose trails are reviewed by one act: up to which entry, and whether it was marked as read."""

    lot: str
    up_to: int
    read: bool


def list_now(lots: Sequence[tuple[str, int | None]]) -> list[Scope]:
    """What reviews of these lots would cover: (number, up to which entry; None: all). Raises NothingToReview."""
    return [scope_now(AuditReview.Scope.LOT, lot, up_to) for lot, up_to in lots]


def list_hash(scopes: Sequence[Scope]) -> str:
    """The SHA-256 of what a list of reviews covers, line by line."""
    return content_hash({"lines": [[scope.subject, scope.up_to_entry, scope.seen] for scope in scopes]})


def review_lots(
    user: Signer,
    password: str,
    lots: Sequence[Marked],
    *,
    findings: str,
    seen: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> list[AuditReview]:
    """Review the trails of several lots by one proof of identity; each gets a review and a signature, or none does.

    `seen` is the `list_hash` of what was on the page, `opened` the dialog for the whole list, whose record is the
    review of the first line. Raises NotRead with the lots that were not marked, and what `review` raises.
    """
    if not user.may(PERMISSION):
        raise user.why_not(PERMISSION)
    unread = [line.lot for line in lots if not line.read]
    if unread or not lots:
        raise errors.NotRead(records=", ".join(unread))
    prove(user, password, address)
    with change(user, findings, PERMISSION):
        scopes = list_now([(line.lot, line.up_to) for line in lots])
        if list_hash(scopes) != seen:
            raise errors.RecordChanged
        return [_signed(user, password, now, findings, _of_line(opened, now.key(user.id))) for now in scopes]


def _of_line(opened: Opened | None, record_id: UUID) -> Opened | None:
    """The dialog of a list as it stands for one of its records."""
    if opened is None:
        return None
    return replace(opened, record_id=record_id, signatures=signatures_of(opened.record_type, record_id))


def _signed(user: Signer, password: str, now: Scope, findings: str, opened: Opened | None) -> AuditReview:
    """One review with its signature; call inside `change`. Raises OwnEntriesOnly and what `sign` raises."""
    if now.authors == {user.id} and not now.programs:
        raise errors.OwnEntriesOnly(who=user.display_name)
    made = AuditReview(
        id=now.key(user.id),
        company_id=user.company_id,
        scope=now.scope,
        subject=now.subject,
        from_entry=now.from_entry,
        up_to_entry=now.up_to_entry,
        count=now.count,
        exceptions=now.exceptions,
        findings=findings.strip(),
        reviewer_id=user.id,
    )
    made.signature = sign(
        user,
        password,
        record_type="ledger.AuditReview",
        record_id=made.id,
        content=review_content(made),
        meaning=Meaning.REVIEW,
        reason=findings,
        opened=opened,
    )
    made.save(force_insert=True)
    return made


def review_content(made: AuditReview) -> dict[str, Any]:
    """What the signature of a review stands for."""
    names = ("scope", "subject", "from_entry", "up_to_entry", "count", "exceptions", "findings")
    return {name: getattr(made, name) for name in names} | {"reviewer": str(made.reviewer_id)}


def reviews_of(scope: str, subject: str = "") -> QuerySet[AuditReview]:
    """The reviews of a part of the trail, newest first."""
    return AuditReview.objects.filter(scope=scope, subject=subject).select_related("signature").order_by("-recorded_at")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the trail of some records is reviewed. `left`: entries that no valid review covers."""

    review: AuditReview | None
    left: int

    @property
    def reviewed(self) -> bool:
        return self.review is not None and self.left == 0


def standing(subject: str, records: Records) -> Standing:
    """How far the trail of the lot `subject`, whose records these are, has been reviewed.

    A review counts while its signature holds, and while the entries it covered are as many as it saw: an entry
    of a transaction that ended later may have a lower number.
    """
    found = AuditEntry.objects.filter(of_records(records))
    for made in reviews_of(AuditReview.Scope.LOT, subject):
        covered = found.filter(id__lte=made.up_to_entry).count()
        if covered == made.count and check(made.signature, made.id) is Finding.VALID:
            return Standing(made, found.filter(id__gt=made.up_to_entry).count())
    return Standing(None, found.count())


def _entries(scope: str, subject: str) -> QuerySet[AuditEntry]:
    if scope == AuditReview.Scope.LOT:
        return AuditEntry.objects.filter(of_records(records_of("lot", subject)))
    return AuditEntry.objects.filter(id__gt=reviewed_up_to())
