"""Two companies: one whose records are complete, and one whose people try to get at them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
import pytest
from django.test import Client

from baro.apps.ledger.services import Program, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import plan_lot
from baro.apps.people.services import sign_in
from baro.apps.plant.models import Equipment
from baro.apps.quality.models import Product
from baro.apps.release.services import decide
from baro.apps.release.tasks import seal_the_rest
from baro.database.context import Context
from baro.demo.seed import SPECTRA_SOURCE, TAGS_SOURCE, seed
from baro.edge.blocks import Event, EventKind, Gap, GapReason
from tests.plant import AXIS, LOTS, Plant, work

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Victim(Plant):
    """A company with a lot of its own that was released, sealed, and has gaps and events.

    `ids` are those of all its records, `some` a few of every table.
    """

    lot_no: str = ""
    ids: list[str] = field(default_factory=list)
    some: list[list[str]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def one_of_each(self, turn: int = 0) -> list[str]:
        """The id of one record of every table; another one for each `turn`, where there are more."""
        return [ids[turn % len(ids)] for ids in self.some]


@pytest.fixture(scope="session")
def victim(database: str) -> Iterator[Victim]:
    code = f"v{secrets.token_hex(6)}"
    plant = Victim(seed(code=code, prefix=f"{code}-").id, code)
    plant.lot_no = f"{code}-LOT"
    try:
        _make_lot(plant)
    except BaseException:
        plant.sink.close()
        raise
    with psycopg.connect(database) as raw:
        for table in company_tables(raw):
            rows = raw.execute(f"SELECT to_jsonb(t) ->> 'id' FROM \"{table}\" t WHERE company_id = %s", [plant.company])
            keys = [key for (key,) in rows if key]
            ids = [key for key in keys if UUID.fullmatch(key)]
            plant.ids += ids
            plant.some += [ids[:3]] if ids else []
            plant.numbers += [int(key) for key in keys if key.isdecimal()][-3:]
    assert len(plant.some) > 10
    yield plant
    plant.sink.close()


def _make_lot(plant: Victim) -> None:
    with reading(plant.company):
        product, press = Product.objects.get(), Equipment.objects.get()
    tablets = LOTS["A"].tablets
    plan_lot(Program("test", plant.company), plant.lot_no, product, press, len(tablets), "planned")
    plant.sink.write_axis(AXIS)
    for i in range(0, len(tablets), 40):
        plant.store_spectra(plant.lot_no, tablets[i : i + 40])
    plant.store_samples(plant.lot_no, 400)
    now = datetime.now(UTC)
    plant.sink.write_gap(Gap(TAGS_SOURCE, 7, 1, 0, plant.lot_no, now, now, GapReason.CONNECTION_LOST))
    for source in (SPECTRA_SOURCE, TAGS_SOURCE):
        plant.sink.write_event(Event(source, EventKind.LOT_ENDED, now, plant.lot_no))
    work(plant.online())
    seen = plant.final_verdict(plant.lot_no).content_hash
    user = plant.user("quality1")
    assert sign_in(user.username, plant.password, "127.0.0.1") is not None
    plant.review(plant.lot_no)
    decide(user, plant.password, plant.lot_no, "released", "all criteria met", seen)
    with reading(plant.company):
        assert Lot.objects.get(lot_no=plant.lot_no).decisions.exists()
    seal_the_rest(int(time.time()))


@pytest.fixture(scope="session")
def stranger(database: str) -> Iterator[Plant]:
    code = f"s{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    yield plant
    plant.sink.close()


def company_tables(raw: psycopg.Connection) -> list[str]:
    """Every table of the schema that has a company's column, as the catalogue of PostgreSQL knows it."""
    rows = raw.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
        " AND a.attname = 'company_id' AND NOT a.attisdropped ORDER BY 1"
    )
    return [name for (name,) in rows]


SignedIn = Callable[[str, Plant], Client]


@pytest.fixture(scope="session")
def browser_of(database: str) -> SignedIn:
    """A browser signed in as somebody of a plant; one session a person."""
    known: dict[str, Client] = {}

    def sign(name: str, at: Plant) -> Client:
        username = f"{at.code}-{name}"
        if username not in known:
            client = Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
            answer = client.post("/sign-in", {"username": username, "password": Plant.password})
            assert answer.status_code == 302, answer.content.decode()
            known[username] = client
        return known[username]

    return sign


def context_of(plant: Plant) -> Context:
    return Context(plant.company, actor="attacker", reason="attack")
