"""How long the records of lots are kept: rules joined to the expiry of lots, and what may be disposed of.

A lot is kept as a whole: its records, trail, raw data and certificates have the date of the lot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.archive.errors import ProductUnknown
from baro.apps.ledger.archive.retention import refuse_disposal, rules_of, years_kept
from baro.apps.ledger.archive.retention import set_rule as set_rule_of
from baro.apps.ledger.models import LegalHold, RetentionRule
from baro.apps.ledger.services import Actor, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import months_later
from baro.apps.quality.models import Product

LOT = "manufacturing.Lot"


@dataclass(frozen=True, slots=True)
class Kept:
    """A lot and how long it is kept. `by_rules`: the last day; None without an expiry date, which means: kept on."""

    lot: Lot
    years: int
    by_rules: date | None
    hold: LegalHold | None

    @property
    def until(self) -> date | None:
        """The last day on which the lot has to be kept; None for never to be disposed of, as things stand."""
        return None if self.hold else self.by_rules

    def due(self, today: date) -> bool:
        """May it be disposed of today?"""
        return self.until is not None and self.until < today


def set_rule(actor: Actor, product_code: str, years: int, basis: str, reason: str) -> RetentionRule:
    """Say how many years after expiry lots of a product are kept, or of all products when no code is given.

    Raises NotPermitted, ReasonMissing, RetentionTooShort, ProductUnknown.
    """
    with reading(actor.company_id):
        if product_code and not Product.objects.filter(code=product_code).exists():
            raise ProductUnknown(code=product_code)
    return set_rule_of(actor, LOT, product_code, years, basis, reason)


def retention_of(lots: Iterable[Lot]) -> list[Kept]:
    """How long each of these lots is kept, by the rules and holds of this moment."""
    found = list(lots)
    rules = rules_of(LOT)
    held = LegalHold.objects.filter(record_type=LOT, record_id__in=[lot.id for lot in found], lifted=None)
    holds = {hold.record_id: hold for hold in held.select_related("placed")}
    out = []
    for lot in found:
        years = years_kept(rules, lot.product.code)
        until = months_later(lot.expires_on, 12 * years) if lot.expires_on else None
        out.append(Kept(lot, years, until, holds.get(lot.id)))
    return out


def due(company: UUID, today: date | None = None) -> list[Kept]:
    """The lots of a company that may be disposed of: past their last day, and under no hold; the longest due first."""
    day = today or timezone.localdate()
    with reading(company):
        lots = Lot.objects.select_related("product", "equipment").filter(expires_on__lt=day)
        found = [kept for kept in retention_of(lots) if kept.due(day)]
    return sorted(found, key=lambda kept: (kept.by_rules or day, kept.lot.lot_no))


def refuse_disposal_of(lot: Lot, today: date | None = None) -> None:
    """Whatever disposes of anything of a lot asks here first, in the same transaction.

    Taking the hot copy of a sealed block away is no disposal: the sealed file stays. Raises OnHold, NotYetDue.
    """
    (kept,) = retention_of([lot])
    refuse_disposal(LOT, lot.id, lot.lot_no, kept.by_rules, today or timezone.localdate())
