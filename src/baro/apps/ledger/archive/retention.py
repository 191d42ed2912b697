"""How long records are kept: rules, and legal holds that are placed and lifted by signature.

What joins rules to lots and their expiry is `release.retention`; here is what holds for records of any kind.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.archive.errors import HoldThere, HoldUnknown, NotYetDue, OnHold, RetentionTooShort
from baro.apps.ledger.models import LegalHold, Meaning, RetentionRule, Signature
from baro.apps.ledger.services import Actor, Opened, Signer, change, sign
from baro.apps.ledger.signing import prove

PERMISSION = "manage_retention"
LEAST_YEARS = 1
"""Records of a lot are kept until its expiry and one year more, electronic ones included (GMP 고시)."""
MOST_YEARS = 100
RECORD_TYPE = "ledger.LegalHold"
_SPACE = UUID("6d8b1b0e-54c6-4a39-9a0a-0d1b0c8a5f17")


def set_rule(actor: Actor, record_type: str, product_code: str, years: int, basis: str, reason: str) -> RetentionRule:
    """Say how many years after expiry records of a kind are kept; a rule that is there is changed.

    product_code: empty for all products. Raises NotPermitted, ReasonMissing, and RetentionTooShort for less
    than one year, more than a hundred, or a rule without a basis.
    """
    with change(actor, reason, PERMISSION):
        if not LEAST_YEARS <= years <= MOST_YEARS or not basis.strip():
            raise RetentionTooShort(least=LEAST_YEARS, most=MOST_YEARS)
        rule, _made = RetentionRule.objects.update_or_create(
            company_id=actor.company_id,
            record_type=record_type,
            product_code=product_code,
            defaults={"years": years, "basis": basis.strip()},
        )
    return rule


def rules_of(record_type: str) -> list[RetentionRule]:
    """The rules for records of a kind: those for all products first."""
    return list(RetentionRule.objects.filter(record_type=record_type).order_by("product_code"))


def years_kept(rules: Iterable[RetentionRule], product_code: str) -> int:
    """Years after expiry: the longest of the rules that apply to this product, and never less than the least."""
    return max([LEAST_YEARS, *(rule.years for rule in rules if rule.product_code in ("", product_code))])


def holds_of(record_type: str, record_id: UUID) -> QuerySet[LegalHold]:
    """Every legal hold that a record was ever on, in order."""
    return LegalHold.objects.filter(record_type=record_type, record_id=record_id).order_by("placed__signed_at")


def hold_on(record_type: str, record_id: UUID) -> LegalHold | None:
    """The legal hold in force on a record."""
    held = LegalHold.objects.filter(record_type=record_type, record_id=record_id, lifted=None)
    return held.select_related("placed").first()


def next_hold(record_type: str, record_id: UUID) -> UUID:
    """The key of the hold that would be placed on a record now: one for each time."""
    number = LegalHold.objects.filter(record_type=record_type, record_id=record_id).count()
    return uuid.uuid5(_SPACE, f"{record_type}/{record_id}/{number}")


def place_hold(
    user: Signer,
    password: str,
    *,
    record_type: str,
    record_id: UUID,
    name: str,
    reason: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> LegalHold:
    """Put a record on legal hold by signature: from now on nothing of it is disposed of.

    Raises NotPermitted, WrongPassword, Locked, ReasonMissing, HoldThere, and what `sign` raises.
    """
    if not user.may(PERMISSION):
        raise user.why_not(PERMISSION)
    prove(user, password, address)
    with change(user, reason, PERMISSION):
        if hold_on(record_type, record_id) is not None:
            raise HoldThere(record=name)
        hold = LegalHold(
            id=next_hold(record_type, record_id),
            company_id=user.company_id,
            record_type=record_type,
            record_id=record_id,
            name=name,
            reason=reason.strip(),
        )
        hold.placed = _signed(user, password, hold, placed_content(hold), reason, opened)
        try:
            with transaction.atomic():
                hold.save(force_insert=True)
        except IntegrityError as error:  # somebody else placed one at the same time
            raise HoldThere(record=name) from error
    return hold


def lift_hold(
    user: Signer, password: str, hold_id: UUID, reason: str, address: str | None = None, opened: Opened | None = None
) -> LegalHold:
    """Lift a legal hold by signature; that it was there stays on record.

    Raises NotPermitted, WrongPassword, Locked, ReasonMissing, HoldUnknown, and what `sign` raises.
    """
    if not user.may(PERMISSION):
        raise user.why_not(PERMISSION)
    prove(user, password, address)
    with change(user, reason, PERMISSION):
        hold = LegalHold.objects.select_for_update().filter(id=hold_id).first()
        if hold is None or hold.lifted_id is not None:
            raise HoldUnknown(record=hold.name if hold else str(hold_id))
        hold.lifted_reason = reason.strip()
        hold.lifted = _signed(user, password, hold, lifted_content(hold), reason, opened)
        hold.save(update_fields=["lifted_reason", "lifted"])
    return hold


def refuse_disposal(record_type: str, record_id: UUID, name: str, kept_until: date | None, today: date) -> None:
    """Whatever disposes of records asks here first. `kept_until`: the last day; None when it is not known.

    Raises OnHold under a legal hold, whatever the day, and NotYetDue up to and on the last day, or when no
    day is known.
    """
    hold = hold_on(record_type, record_id)
    if hold is not None:
        raise OnHold(record=name, reason=hold.reason)
    if kept_until is None or today <= kept_until:
        until = _("not known, for want of an expiry date") if kept_until is None else kept_until.isoformat()
        raise NotYetDue(record=name, until=until)


def placed_content(hold: LegalHold) -> dict[str, Any]:
    """What the signature that places a hold stands for."""
    return {"act": "placed", "record": [hold.record_type, str(hold.record_id), hold.name], "reason": hold.reason}


def lifted_content(hold: LegalHold) -> dict[str, Any]:
    """What the signature that lifts a hold stands for."""
    return placed_content(hold) | {"act": "lifted", "placed": str(hold.placed_id), "lifted_reason": hold.lifted_reason}


def content_now(hold_id: UUID, signature: Signature | None) -> dict[str, Any] | None:
    """What a signature of a hold stands for, as the hold reads now."""
    hold = LegalHold.objects.filter(id=hold_id).first()
    if hold is None:
        return None
    if signature is None or signature.id == hold.placed_id:
        return placed_content(hold)
    return lifted_content(hold) if signature.id == hold.lifted_id else None


def _signed(
    user: Signer, password: str, hold: LegalHold, content: dict[str, Any], reason: str, opened: Opened | None
) -> Signature:
    return sign(
        user,
        password,
        record_type=RECORD_TYPE,
        record_id=hold.id,
        content=content,
        meaning=Meaning.APPROVAL,
        reason=reason,
        opened=opened,
    )
