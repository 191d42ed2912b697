"""The four signatures of a model's life: a wrong password is refused by any way, and on record."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from baro.apps.ledger.errors import WrongPassword
from baro.apps.ledger.models import Signature
from baro.apps.ledger.services import accept_accountability, reading
from baro.apps.pat import services
from baro.apps.people.models import SignIn
from tests.apps.pat.making import Room, rows
from tests.plant import Plant
from tests.web.conftest import SignIn as SignedIn

WRONG = "not my password"


@dataclass(frozen=True)
class Waiting:
    """A record that waits for a signature: who signs, where, and by which service."""

    who: str
    address: str
    record: object
    act: Callable[[str], object]


@pytest.fixture
def waiting(plant: Plant) -> list[Waiting]:
    room = Room(plant)
    accept_accountability(room.head, plant.password)
    first = room.approved(room.model())
    asked = services.request_deployment(room.scientist, first, room.instrument, "champion", "in use")
    second = room.model(first.method, room.frozen("cal-2", rows(9, seed=3)))
    protocol = room.protocol(second)
    change = services.request_change(room.scientist, first, second, "more samples", "more samples")
    head, scientist = room.head, room.scientist
    return [
        Waiting(
            "science1",
            f"/pat/protocols/{protocol.id}/fix",
            protocol.id,
            lambda text: services.fix_protocol(scientist, text, protocol.id, "agreed"),
        ),
        Waiting(
            "quality1",
            f"/pat/models/{second.code}/2/approve",
            second.id,
            lambda text: services.approve_model(head, text, second, "agreed"),
        ),
        Waiting(
            "quality1",
            f"/pat/changes/{change.id}/approve",
            change.id,
            lambda text: services.approve_change(head, text, change.id, "agreed"),
        ),
        Waiting(
            "quality1",
            f"/pat/deployments/{asked.id}/approve",
            asked.id,
            lambda text: services.approve_deployment(head, text, asked.id, "agreed"),
        ),
    ]


@pytest.mark.clause("Part 11 11.200(a)(1)", "Part 11 11.300(d)")
@pytest.mark.parametrize("way", ["service", "dialog"])
def test_a_wrong_password_is_refused_by_any_way_and_on_record(
    way: str, waiting: list[Waiting], plant: Plant, signed_in: SignedIn
) -> None:
    for one in waiting:
        before = refusals(plant, one.who)
        if way == "service":
            with pytest.raises(WrongPassword):
                one.act(WRONG)
        else:
            browser = signed_in(one.who, plant)
            nonce = re.search(r'name="nonce" value="([^"]+)"', browser.get(one.address).content.decode())
            assert nonce is not None, one.address
            form = {"nonce": nonce[1], "name": f"{plant.code}-{one.who}", "password": WRONG, "reason": "agreed"}
            assert browser.post(one.address, form).status_code == 403
        assert refusals(plant, one.who) == before + 1, one.address
        with reading(plant.company):
            assert not Signature.objects.filter(record_id=one.record).exists()


def refusals(plant: Plant, who: str) -> int:
    with reading(plant.company):
        found = SignIn.objects.filter(user__username=f"{plant.code}-{who}", purpose="signature")
        return found.filter(outcome="wrong_password").count()
