"""Correcting intervals, entering and voiding them, and choosing the tags that tell of phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from baro.apps.ledger.services import change
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.context.models import ContextInterval, Level, PhaseRule
from baro.apps.plant.errors import IntervalInvalid
from baro.apps.plant.models import Equipment


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of an interval. end: None while it goes on."""

    start: datetime
    end: datetime | None
    lot_no: str = ""
    name: str = ""


def correct_interval(user: User, interval_id: UUID, told: Told, reason: str) -> ContextInterval:
    """Say when, and of which lot or phase, an interval really was. What it was before stays in the trail.

    Raises NotPermitted, ReasonMissing, IntervalInvalid, ContextInterval.DoesNotExist.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        found = ContextInterval.objects.select_for_update().get(id=interval_id, void=False)
        _tell(found, told)
        found.corrected = True
        found.save(update_fields=["started_at", "ended_at", "lot_no", "name", "corrected"])
    return found


def add_interval(user: User, equipment: Equipment, level: str, told: Told, reason: str) -> ContextInterval:
    """Enter an interval that the equipment did not report. Raises NotPermitted, ReasonMissing, IntervalInvalid."""
    with change(user, reason, Permission.CORRECT_CONTEXT):
        if level not in Level.values:
            raise IntervalInvalid(detail=f"level {level!r}")
        made = ContextInterval(company_id=user.company_id, equipment=equipment, level=level, corrected=True)
        _tell(made, told)
        made.save(force_insert=True)
    return made


def void_interval(user: User, interval_id: UUID, reason: str) -> ContextInterval:
    """Say that an interval never was; it counts no more and stays on record.

    Raises NotPermitted, ReasonMissing, ContextInterval.DoesNotExist.
    """
    with change(user, reason, Permission.CORRECT_CONTEXT):
        found = ContextInterval.objects.select_for_update().get(id=interval_id, void=False)
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


def _tell(interval: ContextInterval, told: Told) -> None:
    if told.end is not None and told.end <= told.start:
        raise IntervalInvalid(detail=f"{told.start.isoformat()} – {told.end.isoformat()}")
    lot_no, name = (text.replace("\0", "").strip() for text in (told.lot_no, told.name))
    if not (lot_no if interval.level == Level.BATCH else name):
        raise IntervalInvalid(detail="lot_no" if interval.level == Level.BATCH else "name")
    interval.started_at, interval.ended_at, interval.lot_no, interval.name = told.start, told.end, lot_no, name
