"""Keeping the inventory, and evaluating what is in it."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, sign
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.services import reauthenticate
from baro.apps.plant.errors import DatesInvalid, SystemInvalid
from baro.apps.plant.inventory.models import ComputerisedSystem, SystemEvaluation, SystemInterface

FIELDS = (
    "code", "kind", "name_ko", "name_en", "gamp", "criticality", "validated", "process_owner_id", "system_owner_id",
    "supplier", "agreement_on", "agreement_until", "location", "description", "evaluate_by",
)  # fmt: skip


def save_system(actor: User, system_id: UUID | None, told: dict[str, Any], reason: str) -> ComputerisedSystem:
    """List a system, or correct what the list says of it. `told` holds the fields of `FIELDS`.

    Raises NotPermitted, ReasonMissing, SystemInvalid for choices that are none or a code that is taken, and
    DatesInvalid for an agreement that ends before it begins.
    """
    with change(actor, reason, Permission.MANAGE_SYSTEMS):
        if system_id is None:
            system = ComputerisedSystem(company_id=actor.company_id)
        else:
            system = ComputerisedSystem.objects.select_for_update(of=("self",)).get(id=system_id)
        for name in FIELDS:
            setattr(system, name, told[name])
        if system.agreement_on and system.agreement_until and system.agreement_until < system.agreement_on:
            raise DatesInvalid
        sound = all(
            getattr(system, name) in dict(ComputerisedSystem._meta.get_field(name).flatchoices)
            for name in ("kind", "gamp", "criticality", "validated")
        )
        if not (sound and system.code and system.name_ko and system.name_en):
            raise SystemInvalid
        try:
            with transaction.atomic():
                system.save()
        except IntegrityError as error:
            raise SystemInvalid from error
    return system


def evaluate(
    user: User,
    password: str,
    system_id: UUID,
    finding: str,
    next_by: date,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> SystemEvaluation:
    """Answer by signature for the state of a system. Raises RecordChanged, DatesInvalid and what `sign` raises."""
    if not user.may(Permission.EVALUATE_SYSTEMS):
        raise user.why_not(Permission.EVALUATE_SYSTEMS)
    reauthenticate(user, password, address)
    with change(user, finding, Permission.EVALUATE_SYSTEMS):
        system = ComputerisedSystem.objects.select_for_update(of=("self",)).get(id=system_id)
        if content_hash(system_content(system)) != seen_hash:
            raise RecordChanged
        if next_by <= timezone.localdate():
            raise DatesInvalid
        evaluation = SystemEvaluation(
            company_id=user.company_id, system=system, finding=finding.strip(), next_by=next_by
        )
        evaluation.signature = sign(
            user,
            password,
            record_type="plant.ComputerisedSystem",
            record_id=system.id,
            content=system_content(system),
            meaning=Meaning.REVIEW,
            reason=finding,
            opened=opened,
        )
        evaluation.save(force_insert=True)
        system.evaluate_by = next_by
        system.save(update_fields=["evaluate_by"])
    return evaluation


def system_content(system: ComputerisedSystem) -> dict[str, Any]:
    """What an evaluation looked at: the system and its interfaces; not the date until which it counts."""
    lines = SystemInterface.objects.filter(source=system) | SystemInterface.objects.filter(target=system)
    return {name: str(getattr(system, name) or "") for name in FIELDS if name != "evaluate_by"} | {
        "interfaces": [
            [line.source.code, line.target.code, line.protocol, line.data, line.both_ways, line.checks]
            for line in lines.select_related("source", "target").order_by("source__code", "target__code", "protocol")
        ]
    }
