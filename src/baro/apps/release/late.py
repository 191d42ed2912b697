"""What comes of a lot after it was released or rejected: put on record, an alarm until the head of quality has seen it.

The decision stays as it is. Nothing that comes late changes a verdict that was signed; a person has to weigh it.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from baro.apps.ledger.services import Actor, change, content_hash
from baro.apps.manufacturing.models import Lot
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.release.errors import LateSeen
from baro.apps.release.gathering import Stored, look
from baro.apps.release.models import LateAcknowledgment, LateArrival, Outcome
from baro.apps.release.verdicts import Root

_LATE = """
    SELECT coalesce(sum(count) FILTER (WHERE kind = 'spectra'), 0),
      coalesce(sum(count) FILTER (WHERE kind = 'samples'), 0), min(time_min), max(time_max)
    FROM historian_block WHERE company_id = %s AND lot = %s AND recorded_at > %s
"""


def note_late(actor: Actor, lot: Lot) -> LateArrival | None:
    """Put on record that more is stored of a lot than its decision knew, or than was noted last; None when not so."""
    with change(actor, "observations came after the decision"):
        _lock(lot.id)
        decision = (
            lot.decisions.exclude(outcome=Outcome.ON_HOLD).select_related("verdict").order_by("recorded_at").last()
        )
        if decision is None:
            return None
        stored = look(lot)
        digest = _digest(stored)
        if lot.late_arrivals.filter(stored=digest).exists() or not stored.differs_from(decision.verdict.evidence):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_LATE, [lot.company_id, lot.lot_no, decision.recorded_at])
            spectra, samples, first, last = cursor.fetchone()
        return LateArrival.objects.create(
            company_id=lot.company_id,
            lot=lot,
            decision=decision,
            spectra=spectra,
            samples=samples,
            first_at=first,
            last_at=last,
            stored=digest,
        )


def acknowledge_late(user: User, arrival_id: UUID, reason: str) -> LateAcknowledgment:
    """Say that it was seen, and what it means for the lot. `reason` stays with it.

    Raises NotPermitted, OtherSite, ReasonMissing, LateSeen, LateArrival.DoesNotExist.
    """
    with change(user, reason, Permission.DECIDE_RELEASE):
        arrival = LateArrival.objects.select_related("lot__equipment__site").get(id=arrival_id)
        user.need(Permission.DECIDE_RELEASE, arrival.lot.equipment.site)
        _lock(arrival.lot_id)
        if LateAcknowledgment.objects.filter(arrival=arrival).exists():
            raise LateSeen(lot=arrival.lot.lot_no)
        return LateAcknowledgment.objects.create(
            company_id=user.company_id, arrival=arrival, by=user, reason=reason.strip()
        )


def arrivals() -> QuerySet[LateArrival]:
    """Everything that came late, the newest first."""
    found = LateArrival.objects.select_related("lot__product", "lot__equipment__site", "decision", "acknowledgment__by")
    return found.order_by("-recorded_at")


def open_arrivals() -> QuerySet[LateArrival]:
    """What nobody has acknowledged."""
    return arrivals().filter(acknowledgment=None)


def notices(reader: User) -> list[tuple[str, str]]:
    """What waits for this reader's hand: (words, name of the page)."""
    if not reader.may(Permission.DECIDE_RELEASE):
        return []
    count = open_arrivals().order_by().values("lot_id").distinct().count()
    if not count:
        return []
    return [(_("Lots of which observations came after the decision: %(n)s") % {"n": count}, "release:late")]


def _lock(lot_id: UUID) -> None:
    """One after the other, of each lot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.late/{lot_id}"])


def _digest(stored: Stored) -> str:
    return content_hash(
        {"spectra": stored.spectra, "samples": str(Root(stored.sample_digests)), "gaps": asdict(stored.gaps)}
    )
