"""Reviewing who has access: every account, explicitly, by somebody else, signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted, RecordChanged
from baro.apps.ledger.services import Program, accept_accountability, change, content_hash, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.people.errors import ReviewClosed, ReviewIncomplete, ReviewOpen, SameHand
from baro.apps.people.models import AccessReview, Assignment, ReviewLine, RightsChange, SignIn, User
from baro.apps.people.rights.due import _months_later, due
from baro.apps.people.rights.queries import notices
from baro.apps.people.rights.reviews import decide_line, open_review, review_content, sign_review
from baro.apps.people.services import sign_in
from tests.plant import Plant


def lines(plant: Plant) -> dict[str, ReviewLine]:
    with reading(plant.company):
        found = ReviewLine.objects.select_related("user", "review")
        return {line.user.username.removeprefix(f"{plant.code}-"): line for line in found}


def assignments(plant: Plant, name: str) -> list[UUID]:
    with reading(plant.company):
        return list(Assignment.objects.filter(user=plant.user(name)).values_list("id", flat=True))


def sign(plant: Plant, review: AccessReview) -> None:
    with reading(plant.company):
        seen = content_hash(review_content(review))
    sign_review(plant.user("quality1"), plant.password, review.id, "reviewed", seen)


@pytest.mark.clause("Annex 11 11", "별표 9 4.7", "별표 9 4.8", "Part 11 11.300(b)")
def test_a_review_decides_on_every_account_and_what_is_to_end_is_asked_for(plant: Plant) -> None:
    review = open_review(plant.user("quality1"), "half-year")
    found = lines(plant)
    with reading(plant.company):
        assert len(found) == User.objects.count() == 7
    with pytest.raises(ReviewOpen):
        open_review(plant.user("admin1"), "again")
    for name in ("admin1", "admin2", "production1", "science1"):
        decide_line(plant.user("quality1"), found[name].id, "keep", "")
    with pytest.raises(ReviewIncomplete):
        sign(plant, review)
    with pytest.raises(SameHand):
        decide_line(plant.user("quality1"), found["quality1"].id, "keep", "")
    decide_line(plant.user("admin1"), found["quality1"].id, "keep", "still head of quality")
    with pytest.raises(ReviewIncomplete):
        decide_line(plant.user("quality1"), found["operator1"].id, "change", "", assignments(plant, "analyst1"))
    decide_line(plant.user("quality1"), found["operator1"].id, "change", "moved", assignments(plant, "operator1"))
    decide_line(plant.user("quality1"), found["analyst1"].id, "end", "left")
    with pytest.raises(ReviewClosed):
        decide_line(plant.user("quality1"), found["analyst1"].id, "keep", "")
    sign(plant, review)
    with reading(plant.company):
        asked = RightsChange.objects.order_by("kind").values_list("kind", "user__username", "state", "requested_by")
        head = plant.user("quality1").id
        assert list(asked) == [
            ("disable", f"{plant.code}-analyst1", "pending", head),
            ("end", f"{plant.code}-operator1", "pending", head),
        ]
        signature = AccessReview.objects.select_related("signature").get().signature
        assert (signature.meaning, check(signature)) == ("review", Finding.VALID)
    assert plant.user("analyst1").is_active  # nothing has ended before the approval
    with pytest.raises(ReviewClosed):
        decide_line(plant.user("quality1"), found["admin1"].id, "end", "")
    with pytest.raises(ReviewClosed):
        sign(plant, review)
    with change(Program("x", plant.company), "x"):
        ReviewLine.objects.filter(user=plant.user("admin1")).update(remark="made up later")
    with reading(plant.company):
        assert check(signature) == Finding.RECORD_CHANGED


def test_only_reviewers_review_and_what_changed_meanwhile_is_not_signed(plant: Plant) -> None:
    with pytest.raises(NotPermitted):
        open_review(plant.user("operator1"), "x")
    review = open_review(plant.user("quality1"), "half-year")
    found = lines(plant)
    with pytest.raises(NotPermitted):
        decide_line(plant.user("production1"), found["analyst1"].id, "keep", "")
    with reading(plant.company):
        seen = content_hash(review_content(review))
    for name, line in found.items():
        decide_line(plant.user("admin1" if name == "quality1" else "quality1"), line.id, "keep", "")
    with pytest.raises(RecordChanged):
        sign_review(plant.user("quality1"), plant.password, review.id, "reviewed", seen)
    with pytest.raises(IntegrityError, match="not_own"), change(Program("x", plant.company), "x"):
        ReviewLine.objects.filter(user=plant.user("admin1")).update(decided_by=plant.user("admin1"))


def test_a_line_says_what_the_reviewer_needs(plant: Plant) -> None:
    assert sign_in(f"{plant.code}-operator1", plant.password, None)
    old = timezone.now() - timedelta(days=91)
    with change(Program("x", plant.company), "x"):
        Assignment.objects.filter(user=plant.user("analyst1")).update(valid_from=old)
    open_review(plant.user("quality1"), "half-year")
    found = lines(plant)
    with reading(plant.company):
        last = SignIn.objects.filter(user=plant.user("operator1")).get().recorded_at
    facts = found["operator1"].facts
    assert facts["last_sign_in"] == last.isoformat()
    assert [one["role"] for one in facts["roles"]] == ["operator"]
    assert (facts["unused"], found["analyst1"].facts["unused"]) == (False, True)


def test_an_overdue_review_is_told_to_those_who_may_do_it(plant: Plant) -> None:
    with reading(plant.company):
        assert not due().overdue
    with change(Program("x", plant.company), "x"):
        Assignment.objects.filter(user=plant.user("quality1")).update(valid_from=timezone.now() - timedelta(days=185))
    with reading(plant.company):
        assert due().overdue
        assert [place for _, place in notices(plant.user("quality1"))] == ["people:reviews"]
        assert notices(plant.user("operator1")) == []
    review = open_review(plant.user("quality1"), "late")
    for name, line in lines(plant).items():
        decide_line(plant.user("admin1" if name == "quality1" else "quality1"), line.id, "keep", "")
    accept_accountability(plant.user("quality1"), plant.password)
    sign(plant, review)
    with reading(plant.company):
        assert not due().overdue
        assert due().last is not None


def test_months_end_where_months_end() -> None:
    start = datetime(2026, 8, 31, 12, tzinfo=UTC)
    assert _months_later(start, 6) == datetime(2027, 2, 28, 12, tzinfo=UTC)
    assert _months_later(start, 1) == datetime(2026, 9, 30, 12, tzinfo=UTC)
    assert _months_later(start, 12) == datetime(2027, 8, 31, 12, tzinfo=UTC)
