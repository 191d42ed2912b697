"""The inventory of systems by the REST interface, read only."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema

from baro.apps.plant.inventory.models import ComputerisedSystem, SystemInterface
from baro.apps.plant.inventory.queries import newest_evaluations

router = Router(tags=["systems"])


class SystemOut(Schema):
    """A computerised system with who answers for it; `evaluated_at`: its newest signed evaluation."""

    id: UUID
    code: str
    name_ko: str
    name_en: str
    kind: str
    gamp: int = Field(description="GAMP 5 category.")
    criticality: str
    validated: str
    process_owner: str | None = Field(description="User name.")
    system_owner: str | None = Field(description="User name.")
    supplier: str
    location: str
    evaluate_by: date | None
    overdue: bool
    evaluated_at: datetime | None


class InterfaceOut(Schema):
    """What passes from one system to another, by their codes."""

    source: str
    target: str
    protocol: str
    data: str
    both_ways: bool
    checks: str


class SystemsOut(Schema):
    """The whole inventory."""

    systems: list[SystemOut]
    interfaces: list[InterfaceOut]


@router.get("", response=SystemsOut, summary="Systems and interfaces")
def systems(request: HttpRequest) -> dict[str, Any]:
    """The inventory of computerised systems with the interfaces between them."""
    newest = newest_evaluations()
    found = ComputerisedSystem.objects.select_related("process_owner", "system_owner")
    between = SystemInterface.objects.select_related("source", "target").order_by("source__code", "target__code")
    return {
        "systems": [_system(one, newest.get(one.id)) for one in found],
        "interfaces": [
            {
                "source": one.source.code,
                "target": one.target.code,
                "protocol": one.protocol,
                "data": one.data,
                "both_ways": one.both_ways,
                "checks": one.checks,
            }
            for one in between
        ],
    }


def _system(one: ComputerisedSystem, evaluation: Any) -> dict[str, Any]:
    names = ("id", "code", "name_ko", "name_en", "kind", "gamp", "criticality", "validated", "supplier", "location")
    return {name: getattr(one, name) for name in names} | {
        "process_owner": one.process_owner.username if one.process_owner else None,
        "system_owner": one.system_owner.username if one.system_owner else None,
        "evaluate_by": one.evaluate_by,
        "overdue": one.overdue,
        "evaluated_at": evaluation.signature.signed_at if evaluation else None,
    }
