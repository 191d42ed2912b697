"""Asking the audit trail: filters, the profiles of a review by exception, and what came since the last review."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import ExtractHour, ExtractIsoWeekDay
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.belonging import Records, records_of
from baro.apps.ledger.models import Action, ActorKind, AuditEntry, AuditReview
from baro.apps.ledger.services import Actor
from baro.config import config

LIMITS = (
    "quality_controlstrategy",
    "quality_releasecriterion",
    "quality_product",
    "pat_calibrationmodel",
    "plant_instrument",
    "plant_tag",
)
REFUSED = ("wrong_password", "locked", "disabled", "unknown", "forged", "revoked", "expired")
SEES_ADDRESSES = ("manage_people", "review_audit")
"""Either permission opens the entries that tell from where somebody signed in."""
RIGHTS = Q(table_name__startswith="people_") & ~Q(table_name="people_signin")


class Profile(models.TextChoices):
    """What a review by exception looks for."""

    EXCEPTIONS = "exceptions", _("all exceptions")
    CHANGED = "changed", _("changed after the first entry")
    DELETED = "deleted", _("deleted")
    LIMITS = "limits", _("limits, methods, strategies or models")
    RIGHTS = "rights", _("users and rights")
    REFUSED = "refused", _("failed sign-ins")
    CLOCK = "clock", _("clock")
    HOURS = "hours", _("outside working hours")
    DATABASE = "database", _("by a database login")


def _exceptions() -> dict[str, Q]:
    return {
        Profile.CHANGED: Q(action=Action.UPDATE) & ~Q(kind=ActorKind.PROGRAM),
        Profile.DELETED: Q(action=Action.DELETE),
        Profile.LIMITS: Q(table_name__in=LIMITS) & Q(action=Action.UPDATE),
        Profile.RIGHTS: RIGHTS & ~Q(reason="language chosen") & ~Q(kind=ActorKind.PROGRAM, action=Action.INSERT),
        Profile.REFUSED: Q(table_name="people_signin", new__outcome__in=REFUSED),
        Profile.CLOCK: Q(table_name__contains="clock"),
        Profile.DATABASE: Q(kind=ActorKind.DATABASE),
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """A filter of the trail. Empty: everything. Days are those of the plant's zone; `scope` "new" is what came
    since the last review."""

    lot: str = ""
    table: str = ""
    record: str = ""
    action: str = ""
    who: str = ""
    since: str = ""
    until: str = ""
    profile: str = ""
    scope: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Asked:
        """The filter in the parameters of an address; what is no filter is left out, and each is cut at 200."""
        told = {field.name: str(given.get(field.name) or "").strip()[:200] for field in fields(cls)}
        for name, kinds in (("action", Action), ("profile", Profile)):
            if told[name] not in kinds.values:
                told[name] = ""
        for name in ("since", "until"):
            told[name] = told[name] if _day(told[name]) else ""
        return cls(**told)

    @property
    def narrowed(self) -> dict[str, str]:
        """What is asked, without what is not."""
        return {name: value for name, value in asdict(self).items() if value}


def sees_addresses(reader: Actor) -> bool:
    """May `reader` see who came in from where? It concerns persons, so it is for those whose task it is."""
    return any(reader.may(permission) for permission in SEES_ADDRESSES)


@cache
def tables_of_addresses() -> frozenset[str]:
    """Every table with a column that holds somebody's network address."""
    return frozenset(
        model._meta.db_table
        for model in apps.get_models()
        if any(isinstance(field, models.GenericIPAddressField) for field in model._meta.fields)
    )


def open_to(reader: Actor) -> QuerySet[AuditEntry]:
    """The entries of the company that `reader` may see."""
    found = AuditEntry.objects.all()
    return found if sees_addresses(reader) else found.exclude(table_name__in=tables_of_addresses())


def entries(asked: Asked, reader: Actor) -> QuerySet[AuditEntry]:
    """The entries of the company that `asked` lets through and `reader` may see, newest first.

    Raises what the room raises when there is no lot of this number.
    """
    found = open_to(reader)
    if asked.lot:
        found = found.filter(of_records(records_of("lot", asked.lot)))
    if asked.scope == "new":
        found = found.filter(id__gt=reviewed_up_to())
    for name, value in (("table_name", asked.table), ("record_id", asked.record), ("action", asked.action)):
        if value:
            found = found.filter(**{name: value})
    if asked.who:
        found = found.filter(actor__icontains=asked.who)
    if day := _day(asked.since):
        found = found.filter(at__gte=_midnight(day))
    if day := _day(asked.until):
        found = found.filter(at__lt=_midnight(day + timedelta(days=1)))
    if asked.profile:
        found = of_profile(found, asked.profile)
    return found.order_by("-id")


def of_profile(found: QuerySet[AuditEntry], profile: str) -> QuerySet[AuditEntry]:
    """Those of `found` that a profile picks out."""
    if profile == Profile.HOURS:
        return _outside_hours(found)
    conditions = _exceptions()
    if profile != Profile.EXCEPTIONS:
        return found.filter(conditions[profile])
    anything = Q(pk__in=[])
    for condition in conditions.values():
        anything |= condition
    return found.filter(anything)


def of_records(records: Records) -> Q:
    """Entries of these records (model → keys)."""
    wanted = Q(pk__in=[])
    for model, keys in records.items():
        wanted |= Q(table_name=model._meta.db_table, record_id__in=[str(key) for key in keys])
    return wanted


def reviewed_up_to() -> int:
    """The last entry that a review of everything covered; 0 before the first one."""
    last = AuditReview.objects.filter(scope=AuditReview.Scope.PERIOD).order_by("-up_to_entry").first()
    return last.up_to_entry if last else 0


def _outside_hours(found: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    begins, _dash, ends = config().working_hours.partition("-")
    zone = timezone.get_default_timezone()
    found = found.filter(kind=ActorKind.PERSON).annotate(
        hour=ExtractHour("at", tzinfo=zone), day=ExtractIsoWeekDay("at", tzinfo=zone)
    )
    return found.filter(Q(hour__lt=int(begins)) | Q(hour__gte=int(ends)) | Q(day__gte=6))


def _day(text: str) -> date | None:
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and 1900 <= day.year < 9999 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
