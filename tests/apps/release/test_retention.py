"""How long lots are kept, legal holds, and that nothing is disposed of before its time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError

from baro.apps.ledger.archive.errors import (
    HoldThere,
    HoldUnknown,
    NotYetDue,
    OnHold,
    ProductUnknown,
    RetentionTooShort,
)
from baro.apps.ledger.archive.retention import hold_on, lift_hold, place_hold
from baro.apps.ledger.errors import NotPermitted, ReasonMissing, WrongPassword
from baro.apps.ledger.models import AuditEntry, LegalHold, RetentionRule, Signature
from baro.apps.ledger.services import Program, change, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import complete_lot, months_later, start_lot
from baro.apps.people.models import Site
from baro.apps.quality.models import Product
from baro.apps.release.retention import LOT, due, refuse_disposal_of, retention_of, set_rule
from tests.plant import LOTS, Plant

NUMBER = LOTS["A"].number
LATE = datetime(2020, 2, 28, 20, 0, tzinfo=UTC)
"""The 29th in Korea already, still the 28th in New York."""


def made(plant: Plant, at: datetime = LATE, letter: str = "A") -> Lot:
    """A demo lot whose manufacture began at `at`."""
    lot = start_lot(Program("gateway", plant.company), LOTS[letter].number, at)
    assert lot is not None
    return lot


def last_day(plant: Plant, lot: Lot) -> date | None:
    with reading(plant.company):
        (kept,) = retention_of([Lot.objects.select_related("product").get(id=lot.id)])
    return kept.until


def disposed(plant: Plant, lot: Lot, today: date) -> None:
    with reading(plant.company):
        refuse_disposal_of(Lot.objects.select_related("product").get(id=lot.id), today)


def hold(plant: Plant, lot: Lot, reason: str = "court order", name: str = "quality1", password: str = "") -> LegalHold:
    return place_hold(
        plant.user(name),
        password or plant.password,
        record_type=LOT,
        record_id=lot.id,
        name=lot.lot_no,
        reason=reason,
    )


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 2, 29), 48, date(2028, 2, 29)),
        (date(2026, 12, 15), 1, date(2027, 1, 15)),
        (date(2026, 11, 30), 36, date(2029, 11, 30)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_end_on_the_same_day_or_the_last(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


@pytest.mark.parametrize(
    ("zone", "expires"), [("Asia/Seoul", date(2023, 2, 28)), ("America/New_York", date(2023, 2, 28))]
)
def test_expiry_counts_from_the_day_of_manufacture_at_the_site(plant: Plant, zone: str, expires: date) -> None:
    with change(Program("set-up", plant.company), "another zone"):
        Site.objects.update(time_zone=zone)
        Product.objects.update(shelf_life_months=36)
    assert made(plant).expires_on == expires
    one_day_on = made(plant, datetime(2021, 3, 31, 20, 0, tzinfo=UTC), "B").expires_on
    assert one_day_on == (date(2024, 4, 1) if zone == "Asia/Seoul" else date(2024, 3, 31))


def test_a_lot_without_an_expiry_date_is_kept_on(plant: Plant) -> None:
    with change(Program("set-up", plant.company), "not known yet"):
        Product.objects.update(shelf_life_months=None)
    lot = made(plant)
    assert (lot.expires_on, last_day(plant, lot)) == (None, None)
    assert due(plant.company, date(2999, 1, 1)) == []
    with pytest.raises(NotYetDue):
        disposed(plant, lot, date(2999, 1, 1))
    with change(Program("set-up", plant.company), "known now"):
        Product.objects.update(shelf_life_months=24)
    with reading(plant.company):
        running = Lot.objects.get(id=lot.id)
    complete_lot(Program("gateway", plant.company), running, datetime(2020, 3, 5, tzinfo=UTC))
    assert running.expires_on == date(2022, 2, 28)


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 17", "별표 9 4.13")
def test_nothing_is_disposed_of_before_expiry_and_a_year(plant: Plant) -> None:
    lot = made(plant)
    assert (lot.expires_on, last_day(plant, lot)) == (date(2023, 2, 28), date(2024, 2, 28))
    for early in (date(2020, 3, 1), date(2023, 3, 1), date(2024, 2, 28)):
        assert due(plant.company, early) == []
        with pytest.raises(NotYetDue) as refused:
            disposed(plant, lot, early)
        assert refused.value.facts["until"] == "2024-02-28"
    disposed(plant, lot, date(2024, 2, 29))
    assert [kept.lot.lot_no for kept in due(plant.company, date(2024, 2, 29))] == [NUMBER]


@pytest.mark.clause("Part 11 11.10(c)", "별표 9 4.3")
def test_the_longest_rule_counts_and_none_goes_below_a_year(plant: Plant) -> None:
    lot, head = made(plant), plant.user("quality1")
    set_rule(head, "", 5, "procedure", "longer for all")
    assert last_day(plant, lot) == date(2028, 2, 28)
    set_rule(head, "baro-200", 2, "procedure", "this product")
    assert last_day(plant, lot) == date(2028, 2, 28)
    set_rule(head, "baro-200", 10, "licence", "this product, longer")
    assert last_day(plant, lot) == date(2033, 2, 28)
    with reading(plant.company):
        assert RetentionRule.objects.count() == 2
    for years in (0, -1, 101):
        with pytest.raises(RetentionTooShort):
            set_rule(head, "", years, "procedure", "shorter")
    with pytest.raises(RetentionTooShort):
        set_rule(head, "", 3, " ", "no basis")
    with pytest.raises(ReasonMissing):
        set_rule(head, "", 3, "procedure", " ")
    with pytest.raises(ProductUnknown):
        set_rule(head, "other", 3, "procedure", "x")
    for name in ("admin1", "production1", "analyst1"):
        with pytest.raises(NotPermitted):
            set_rule(plant.user(name), "", 3, "procedure", "x")
    assert last_day(plant, lot) == date(2033, 2, 28)
    with pytest.raises(IntegrityError), change(Program("x", plant.company), "x"):
        RetentionRule.objects.update(years=0)


def test_a_rule_of_another_product_does_not_count(plant: Plant) -> None:
    lot = made(plant)
    with change(Program("set-up", plant.company), "another product"):
        other = Product.objects.get()
        other.pk, other.code, other._state.adding = uuid4(), "other", True
        other.save(force_insert=True)
    set_rule(plant.user("quality1"), "other", 30, "licence", "x")
    assert last_day(plant, lot) == date(2024, 2, 28)


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 14", "별표 9 4.10")
def test_a_hold_stops_disposal_until_it_is_lifted_by_signature(plant: Plant) -> None:
    lot, day = made(plant), date(2030, 1, 1)
    placed = hold(plant, lot)
    assert (last_day(plant, lot), due(plant.company, day)) == (None, [])
    with pytest.raises(OnHold):
        disposed(plant, lot, day)
    with pytest.raises(HoldThere):
        hold(plant, lot, "again")
    lifted = lift_hold(plant.user("quality1"), plant.password, placed.id, "case closed")
    with pytest.raises(HoldUnknown):
        lift_hold(plant.user("quality1"), plant.password, placed.id, "twice")
    with pytest.raises(HoldUnknown):
        lift_hold(plant.user("quality1"), plant.password, uuid4(), "never there")
    disposed(plant, lot, day)
    assert last_day(plant, lot) == date(2024, 2, 28)
    again = hold(plant, lot, "another case")
    assert again.id != placed.id
    with reading(plant.company):
        assert hold_on(LOT, lot.id) == again
        signatures = [placed.placed, lifted.lifted, again.placed]
        assert [check(one, one.record_id) for one in signatures] == [Finding.VALID] * 3
        reasons = (
            AuditEntry.objects.filter(table_name="ledger_legalhold").order_by("id").values_list("reason", flat=True)
        )
        assert list(reasons) == ["court order", "case closed", "another case"]
    with change(Program("x", plant.company), "x"):
        LegalHold.objects.filter(id=placed.id).update(reason="another reason")
    with reading(plant.company):
        assert [check(one) for one in signatures[:2]] == [Finding.RECORD_CHANGED] * 2


@pytest.mark.clause("별표 9 4.8", "Part 11 11.10(g)")
def test_only_the_head_of_quality_holds_with_the_own_password(plant: Plant) -> None:
    lot = made(plant)
    for name in ("admin1", "production1", "analyst1"):
        with pytest.raises(NotPermitted):
            hold(plant, lot, name=name)
    with pytest.raises(WrongPassword):
        hold(plant, lot, password="not the password")
    with pytest.raises(ReasonMissing):
        hold(plant, lot, " ")
    with reading(plant.company):
        assert not LegalHold.objects.exists()
        assert not Signature.objects.filter(record_type="ledger.LegalHold").exists()
    placed = hold(plant, lot)
    with pytest.raises(NotPermitted):
        lift_hold(plant.user("production1"), plant.password, placed.id, "x")
    with pytest.raises(WrongPassword):
        lift_hold(plant.user("quality1"), "not the password", placed.id, "x")
    with reading(plant.company):
        assert hold_on(LOT, lot.id) == placed
