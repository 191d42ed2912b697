"""Secrets: how they are kept, and where they never appear."""

from __future__ import annotations

import logging
import re
import secrets
import stat
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.test import Client, override_settings
from psycopg import sql

from baro import settings as product
from baro.apps.people.passwords import change_password
from baro.config import config
from tests.plant import Plant
from tests.security.conftest import SignedIn
from tests.security.test_isolation import relations
from tests.security.test_source import TEMPLATES


@pytest.mark.clause("ASVS 11.4.2", "Part 11 11.300(a)")
def test_passwords_are_kept_by_argon2(plant: Plant, database: str) -> None:
    people = [plant.user(name) for name in ("quality1", "analyst1")]
    with override_settings(PASSWORD_HASHERS=product.PASSWORD_HASHERS):  # the tests' own hasher is a cheap one
        for person in people:
            change_password(person, "the same sentence for the two of them")
    with psycopg.connect(database) as raw:
        ids = [person.id for person in people]
        rows = raw.execute("SELECT password FROM people_user WHERE id = ANY(%s)", [ids]).fetchall()
    assert len(rows) == 2
    for (kept,) in rows:
        found = re.match(r"argon2\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$", kept)
        assert found, kept
        memory, passes, _ = map(int, found.groups())
        assert memory >= 19_456  # KiB: what OWASP's cheat sheet asks of two passes
        assert passes >= 2
    assert len({kept for (kept,) in rows}) == len(rows), "the same password, yet no two are kept alike"


@pytest.mark.clause("ASVS 13.3.2")
def test_keys_are_for_their_owner_alone() -> None:
    keys = [config().home / "secret_key", *sorted((config().home / "keys").glob("*"))]
    assert len(settings.SECRET_KEY) >= 50
    for key in keys:
        if key.is_file() and key.suffix not in {".pub", ".vkey", ".crt"}:
            assert stat.S_IMODE(key.stat().st_mode) & 0o077 == 0, key


@pytest.mark.clause("ASVS 14.2.1")
def test_no_secret_stands_in_an_address(stranger: Plant, database: str) -> None:
    for file in TEMPLATES:
        text = file.read_text(encoding="utf-8")
        for form in re.findall(r"<form\b.*?</form>", text, flags=re.DOTALL):
            if 'type="password"' in form:
                assert re.search(r'method="post"|hx-post=', form), file
    client = Client(SERVER_NAME="127.0.0.1")
    answer = client.get("/sign-in", {"username": f"{stranger.code}-quality1", "password": stranger.password})
    assert answer.status_code == 200
    assert client.get("/lots").status_code == 302


@pytest.mark.clause("ASVS 6.2.6", "ASVS 6.2.7", "ASVS 6.4.2")
def test_fields_of_passwords_are_masked_and_leave_managers_alone() -> None:
    fields = [
        (file, field)
        for file in TEMPLATES
        for field in re.findall(r"<input\b[^>]*>", file.read_text(encoding="utf-8"))
        if re.search(r'name="(current_|new_|old_)?password', field)
    ]
    assert fields
    for file, field in fields:
        assert 'type="password"' in field, file
        assert 'autocomplete="off"' not in field, file
        assert not re.search(r"onpaste|readonly|maxlength", field), file


@pytest.mark.clause("ASVS 16.2.5", "Part 11 11.10(e)")
def test_no_password_reaches_log_or_trail(stranger: Plant, database: str, caplog: pytest.LogCaptureFixture) -> None:
    wrong = f"wrong-{secrets.token_hex(12)}"
    client = Client(SERVER_NAME="127.0.0.1")
    with caplog.at_level(logging.DEBUG):
        client.post("/sign-in", {"username": f"{stranger.code}-science1", "password": wrong})
        client.post("/sign-in", {"username": wrong, "password": stranger.password})
        client.post("/sign-in", {"username": f"{stranger.code}-science1", "password": stranger.password})
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("django.db")]
    assert not [line for line in told if stranger.password in line]
    assert not [line for line in told if wrong in line], "what somebody typed may be a password in the wrong field"
    with psycopg.connect(database) as raw:
        for _, name in relations(raw):
            query = sql.SQL(
                "SELECT count(*) FROM {} t WHERE strpos(to_jsonb(t)::text, %s) > 0 OR strpos(to_jsonb(t)::text, %s) > 0"
            )
            assert raw.execute(query.format(sql.Identifier(name)), [wrong, stranger.password]).fetchone() == (0,), name


@pytest.mark.clause("ASVS 7.2.2", "ASVS 7.2.3", "ASVS 7.2.4", "ASVS 7.6.2")
def test_a_session_begins_with_a_key_of_its_own(stranger: Plant, database: str) -> None:
    known = set()
    form = {"username": f"{stranger.code}-analyst1", "password": stranger.password}
    for _ in range(3):
        client = Client(SERVER_NAME="127.0.0.1")
        client.cookies["sessionid"] = "fixed0by0an0attacker0fixed0by0an"
        client.post("/language", {"language": "en"})
        before = client.cookies["sessionid"].value
        client.post("/sign-in", form)
        key = client.cookies["sessionid"].value
        assert key not in {before, "fixed0by0an0attacker0fixed0by0an"}
        assert re.fullmatch("[a-z0-9]{32}", key)  # 165 bits of the system's generator
        known.add(key)
        thief = Client(SERVER_NAME="127.0.0.1")
        thief.cookies["sessionid"] = before
        assert thief.get("/lots").status_code == 302
    assert len(known) == 3


@pytest.mark.clause("ASVS 6.2.5", "ASVS 6.2.8", "ASVS 6.2.9")
def test_a_password_counts_as_it_was_typed(stranger: Plant, browser_of: SignedIn) -> None:
    for almost in (stranger.password.upper(), f" {stranger.password}", f"{stranger.password} ", stranger.password[:-1]):
        client = Client(SERVER_NAME="127.0.0.1")
        answer = client.post("/sign-in", {"username": f"{stranger.code}-production1", "password": almost})
        assert answer.status_code == 403
    long = "긴 암호 " * 100
    user = stranger.user("production1")
    user.set_password(long)
    assert user.check_password(long)
    assert not user.check_password(long[:-1])


@pytest.mark.clause("ASVS 6.3.2")
def test_an_installation_begins_with_nobody(database: str) -> None:
    """The accounts there are belong to companies that somebody set up; PostgreSQL's roles cannot log in."""
    with psycopg.connect(database) as raw:
        assert raw.execute("SELECT count(*) FROM people_user WHERE company_id IS NULL").fetchone() == (0,)
        assert not raw.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'baro_%' AND rolcanlogin").fetchall()
    migrations = Path(__file__).resolve().parents[2] / "src" / "baro" / "apps" / "people" / "migrations"
    for file in migrations.glob("*.py"):
        assert not re.search(r"INSERT INTO people_user\b|create_user\(", file.read_text(encoding="utf-8"))
