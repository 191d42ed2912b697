"""Correcting intervals, entering and voiding them, and choosing the tags that tell of phases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connection

from baro.apps.ledger.services import change
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.context.models import ContextInterval, Level, PhaseRule
from baro.apps.plant.context.moving import FOREVER, Plan, Told, planned, voided
from baro.apps.plant.errors import IntervalChanged, IntervalInvalid
from baro.apps.plant.models import Equipment


def correct_interval(
    user: User, interval_id: UUID, told: Told, reason: str, neighbours: bool = False, seen: str = ""
) -> ContextInterval:
    """Say when, and of which lot or phase, an interval really was. What it was before stays in the trail.

    neighbours: adjoining intervals move along. seen: of the preview that was shown, see `moving.Plan`.
    Raises NotPermitted, ReasonMissing, IntervalInvalid, IntervalOverlaps, IntervalLeavesGap, IntervalChanged,
    ContextInterval.DoesNotExist.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        found = _locked(interval_id)
        plan = planned(found.equipment, found.level, found, told, neighbours)
        _carry_out(plan, found, seen)
        found.save(update_fields=["started_at", "ended_at", "lot_no", "name", "corrected"])
    return found


def add_interval(
    user: User, equipment: Equipment, level: str, told: Told, reason: str, neighbours: bool = False, seen: str = ""
) -> ContextInterval:
    """Enter an interval that the equipment did not report.

    Raises NotPermitted, ReasonMissing, IntervalInvalid, IntervalOverlaps, IntervalChanged.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        _lock(equipment.id)
        plan = planned(equipment, level, None, told, neighbours)
        made = ContextInterval(company_id=user.company_id, equipment=equipment, level=level)
        _carry_out(plan, made, seen)
        made.save(force_insert=True)
    return made


def void_interval(user: User, interval_id: UUID, reason: str, seen: str = "") -> ContextInterval:
    """Say that an interval never was; it counts no more and stays on record.

    Raises NotPermitted, ReasonMissing, IntervalChanged, ContextInterval.DoesNotExist.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        found = _locked(interval_id)
        _as_seen(voided(found), seen)
        found.void = True
        found.save(update_fields=["void"])
    return found


def save_rule(
    user: User,
    equipment: Equipment,
    source: str,
    tag: str,
    since: datetime,
    names: Mapping[str, str],
    level: str = Level.PHASE,
    enabled: bool = True,
    reason: str = "",
) -> PhaseRule:
    """Have the states of a tag tell of phases from `since` on, or no more.

    Raises NotPermitted, ReasonMissing, IntervalInvalid.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        source, tag = source.strip(), tag.strip()
        if not source or not tag or level not in Level.values or level == Level.BATCH:
            raise IntervalInvalid(detail=f"{source!r} {tag!r} {level!r}")
        rule = PhaseRule.objects.filter(source=source, tag=tag).first() or PhaseRule(
            company_id=user.company_id, source=source, tag=tag
        )
        rule.equipment, rule.level, rule.since, rule.enabled = equipment, level, since, enabled
        rule.names = {str(state): str(name) for state, name in names.items()}
        rule.save()
    return rule


def _carry_out(plan: Plan, interval: ContextInterval, seen: str) -> None:
    """Give `interval` what was told, and move its neighbours along."""
    _as_seen(plan, seen)
    if plan.told is None:
        raise IntervalInvalid(detail="-")
    told = plan.told
    interval.started_at, interval.ended_at, interval.lot_no, interval.name = (
        told.start,
        told.end,
        told.lot_no,
        told.name,
    )
    interval.corrected = True
    for other, span in plan.along:
        other.started_at, other.ended_at = span.start, None if span.end == FOREVER else span.end
        other.corrected = True
        other.save(update_fields=["started_at", "ended_at", "corrected"])


def _as_seen(plan: Plan, seen: str) -> None:
    if seen and seen != plan.seen:
        raise IntervalChanged


def _locked(interval_id: UUID) -> ContextInterval:
    equipment_id = ContextInterval.objects.values_list("equipment_id", flat=True).get(id=interval_id, void=False)
    _lock(equipment_id)
    found = ContextInterval.objects.select_for_update(of=("self",)).select_related("equipment")
    return found.get(id=interval_id, void=False)


def _lock(equipment_id: UUID) -> None:
    """One correction of a unit after the other, so that two at the same time cannot overlap."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.context/{equipment_id}"])
