"""Connections as records, and the gateway that follows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.db import connection as database_connection
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted, ReasonMissing
from baro.apps.ledger.services import Program, reading
from baro.apps.plant.connections.services import (
    Told,
    keep_secret,
    save_connection,
    set_up_connection,
    switch,
    trust_certificate,
    withdraw_trust,
)
from baro.apps.plant.errors import CertificateInvalid, ConnectionInvalid
from baro.apps.plant.models import Connection, ConnectionState
from baro.commands.gateway import Book
from baro.config import config
from baro.database.roles import Role, conninfo
from baro.edge import secrets, trust
from baro.edge.collector import ConnectionState as State
from baro.edge.gateway import Health
from tests.plant import Plant

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TOLD = Told(
    "hardness", "opcua", {"url": "opc.tcp://127.0.0.1:4841/", "machines": {"Tester": "hardness"}}, "경도계", "Tester"
)


def book(plant: Plant, folder: Path) -> Book:
    return Book(conninfo(config().database_url, Role.APP), plant.code, folder / "copy.json")


@pytest.mark.clause("Part 11 11.10(e)", "Part 11 11.10(g)")
def test_a_connection_is_a_record_with_reason_and_permission(plant: Plant) -> None:
    with pytest.raises(NotPermitted):
        save_connection(plant.user("operator1"), None, TOLD, "new hardness tester")
    with pytest.raises(ReasonMissing):
        save_connection(plant.user("admin1"), None, TOLD, " ")
    made = save_connection(plant.user("admin1"), None, TOLD, "new hardness tester")
    with database_connection.cursor() as cursor, reading(plant.company):
        cursor.execute("SELECT reason, actor FROM ledger_auditentry WHERE record_id = %s", [str(made.id)])
        ((reason, actor),) = cursor.fetchall()
    assert (reason, actor) == ("new hardness tester", plant.user("admin1").display_name)
    with pytest.raises(NotPermitted):
        switch(plant.user("quality1"), made.id, False, "sent for repair")
    assert switch(plant.user("admin1"), made.id, False, "sent for repair").enabled is False


@pytest.mark.parametrize(
    "wrong",
    [
        {"code": "Not a code"},
        {"driver": "telepathy"},
        {"settings": {}},
        {"settings": {"url": "opc.tcp://x/", "colour": "blue"}},
        {"code": "demo-plant"},
    ],
)
def test_what_is_no_connection_is_refused(plant: Plant, wrong: dict[str, object]) -> None:
    told = {name: getattr(TOLD, name) for name in ("code", "driver", "settings")} | wrong
    with pytest.raises(ConnectionInvalid):
        save_connection(plant.user("admin1"), None, Told(**told), "try")


def test_a_set_up_writes_only_what_is_different(plant: Plant) -> None:
    program = Program("tester", plant.company)
    first = set_up_connection(program, TOLD, "set up")
    with database_connection.cursor() as cursor:
        count = "SELECT count(*) FROM ledger_auditentry WHERE record_id = %s"

        def entries() -> int:
            with reading(plant.company):
                cursor.execute(count, [str(first.id)])
                return cursor.fetchone()[0]

        set_up_connection(program, TOLD, "set up")
        assert entries() == 1
        moved = Told(TOLD.code, TOLD.driver, {**TOLD.settings, "url": "opc.tcp://127.0.0.1:4842/"})
        assert set_up_connection(program, moved, "set up").id == first.id
        assert entries() == 2


def test_the_gateway_reads_what_is_enabled_and_keeps_a_copy(plant: Plant, tmp_path: Path) -> None:
    made = save_connection(plant.user("admin1"), None, TOLD, "new hardness tester")
    notes = book(plant, tmp_path)
    plan = notes.read()
    assert plan is not None
    assert plan.company == plant.company
    assert {one.code for one in plan.connections} == {"demo-plant", "hardness"}
    notes.close()
    away = Book("host=/nowhere dbname=x", plant.code, tmp_path / "copy.json")
    with pytest.raises(psycopg.Error):
        away.read()
    assert away.copied() == plan
    switch(plant.user("admin1"), made.id, False, "sent for repair")
    again = notes.read()
    assert again is not None
    assert {one.code for one in again.connections} == {"demo-plant"}
    assert away.copied() == again
    (tmp_path / "copy.json").write_text("{half")
    assert away.copied() is None
    notes.close()


def test_how_a_connection_is_comes_to_the_database_and_not_to_the_trail(plant: Plant, tmp_path: Path) -> None:
    notes = book(plant, tmp_path)
    plan = notes.read()
    assert plan is not None
    for observations in (10, 20):
        health = Health(observations=observations, rate=5.5, linked={"nir-1": True})
        notes.tell(plan.company, [State(one, health, "") for one in plan.connections])
    with reading(plant.company), database_connection.cursor() as cursor:
        state = ConnectionState.objects.get(connection=Connection.objects.get(code="demo-plant"))
        cursor.execute("SELECT count(*) FROM ledger_auditentry WHERE table_name = 'plant_connectionstate'")
        assert cursor.fetchone() == (0,)
    assert (state.observations, state.rate, state.sources) == (20, 5.5, {"nir-1": True})
    assert timezone.now() - state.at < timedelta(minutes=1)
    notes.close()


def test_a_company_that_is_not_set_up_has_no_plan(database: str, tmp_path: Path) -> None:
    nobody = Book(conninfo(config().database_url, Role.APP), "nobody", tmp_path / "copy.json")
    assert nobody.read() is None
    nobody.close()


@pytest.mark.clause("Part 11 11.10(d)", "Part 11 11.10(e)", "Annex 11 12.1")
def test_trust_is_a_record_that_the_gateway_follows(plant: Plant, tmp_path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    der = trust.self_signed(key, "urn:tester:7", "Tester", timedelta(days=3))
    with pytest.raises(NotPermitted):
        trust_certificate(plant.user("operator1"), der, "opc.tcp://tester:4840", "compared at the tester's screen")
    with pytest.raises(ReasonMissing):
        trust_certificate(plant.user("admin1"), der, "opc.tcp://tester:4840", "")
    for wrong in (b"", b"no certificate", trust.self_signed(key, "urn:t", "T", timedelta(days=1), LONG_AGO)):
        with pytest.raises(CertificateInvalid):
            trust_certificate(plant.user("admin1"), wrong, "opc.tcp://tester:4840", "try")
    record = trust_certificate(plant.user("admin1"), der, "opc.tcp://tester:4840", "compared at the tester's screen")
    notes = book(plant, tmp_path)
    plan = notes.read()
    assert plan is not None
    assert plan.trusted == (der,)
    withdraw_trust(plant.user("admin1"), record.id, "tester replaced")
    plan = notes.read()
    assert plan is not None
    assert plan.trusted == ()
    assert trust_certificate(plant.user("admin1"), der, "opc.tcp://tester:4840", "back again").id == record.id
    notes.close()
    with reading(plant.company), database_connection.cursor() as cursor:
        cursor.execute("SELECT reason FROM ledger_auditentry WHERE record_id = %s ORDER BY id", [str(record.id)])
        reasons = [reason for (reason,) in cursor.fetchall()]
    assert reasons == ["compared at the tester's screen", "tester replaced", "back again"]


def test_a_password_never_comes_near_the_database(plant: Plant) -> None:
    actor = plant.user("admin1")
    with pytest.raises(NotPermitted):
        keep_secret(plant.user("operator1"), "password", "hidden-4711")
    name = keep_secret(actor, "password", "hidden-4711")
    assert secrets.text(name) == "hidden-4711"
    told = Told("hardness", "opcua", {**TOLD.settings, "user": "op1", "password": name})
    save_connection(actor, None, told, "new hardness tester")
    foreign = Told("other", "opcua", {**TOLD.settings, "user": "op1", "password": f"{uuid4().hex}.password.1"})
    with pytest.raises(ConnectionInvalid):
        save_connection(actor, None, foreign, "the secret of another company")
    with reading(plant.company), database_connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_auditentry e WHERE e::text LIKE %s", ["%hidden-4711%"])
        assert cursor.fetchone() == (0,)
