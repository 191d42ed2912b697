"""Signing in with one step or two, what ends a session, and what people do with their own account."""

from __future__ import annotations

import base64
import re
import secrets
import time
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import get_hasher
from django.contrib.sessions.models import Session as StoredSession
from django.db import ProgrammingError
from django.utils import timezone, translation

from baro.apps.ledger.errors import Locked, NotPermitted
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people import passwords, second, services, sessions
from baro.apps.people.errors import (
    CodeTaken,
    NothingToChange,
    PasswordExpired,
    PasswordRefused,
    SameHand,
    TooManyAttempts,
    WrongCode,
)
from baro.apps.people.models import PasswordUse, RightsChange, SessionActivity, SignIn, Totp, User, WebSession
from baro.apps.people.rights.decisions import change_hash, decide_change
from baro.apps.people.rights.requests import request_change
from baro.apps.people.rights.services import first_password
from baro.apps.people.tasks import clear_sessions
from baro.config import config
from tests.plant import PROOFS, Plant
from tests.web.conftest import Browser
from tests.web.conftest import SignIn as Signed

NEW = "seven green kettles sing"


def code(secret: str, ahead: int = 0) -> str:
    return second.totp_at(secret, int(time.time()) // 30 + ahead)


def enrolled(plant: Plant, name: str) -> tuple[User, str, list[str]]:
    """Somebody with an authenticator app, enrolled with the code of the step before."""
    user, secret = plant.user(name), second.new_secret()
    return user, secret, second.enrol_totp(user, secret, code(secret, -1))


def first_step(plant: Plant, name: str, password: str = Plant.password) -> Browser:
    client = Browser()
    client.post("/sign-in", {"username": f"{plant.code}-{name}", "password": password, "next": "/lots"})
    return client


def given(plant: Plant, user: User) -> str:
    """A temporary password, as an approved request gives it."""
    admin, text = plant.user("admin1"), secrets.token_urlsafe(18)
    with change(admin, "forgot it"):
        passwords.give_password(admin, user, text)
    return text


def outcomes(plant: Plant) -> list[str]:
    with reading(plant.company):
        return list(SignIn.objects.order_by("recorded_at").values_list("outcome", flat=True))[PROOFS:]


def backdate(plant: Plant, queryset: object, **values: object) -> None:
    """Time passes: by the owner of the tables, since the application cannot."""
    with change(Program("tester", plant.company), "time passes"):
        queryset.update(**values)


# --- second factors


@pytest.mark.clause("ASVS 6.5.1", "ASVS 6.3.3", "Part 11 11.200(a)(1)")
def test_two_steps_and_a_code_is_good_once(plant: Plant) -> None:
    _, secret, _ = enrolled(plant, "quality1")
    client = first_step(plant, "quality1")
    assert client.get("/").status_code == 302  # not in yet
    fresh = code(secret)
    assert client.post("/sign-in/second", {"code": fresh}).headers["Location"] == "/lots"
    assert client.get("/lots").status_code == 200
    again = first_step(plant, "quality1").post("/sign-in/second", {"code": fresh})
    assert (again.status_code, "PPL-0211" in again.content.decode()) == (403, True)
    assert outcomes(plant) == ["first_step", "accepted", "first_step", "wrong_code"]


@pytest.mark.clause("ASVS 6.5.5", "ASVS 6.5.8")
@pytest.mark.parametrize("ahead", [-3, -2, 2, 3, 1000])
def test_codes_of_other_times_are_refused(plant: Plant, ahead: int) -> None:
    user, secret, _ = enrolled(plant, "quality1")
    with pytest.raises(WrongCode):
        second.prove_second(user, code(secret, ahead), None)


@pytest.mark.parametrize("text", ["", "12345", "1234567", "１２３４５６", "٣٣٣٣٣٣", "abcdef", "-" * 40, "A" * 24])
def test_what_is_no_code_is_refused(plant: Plant, text: str) -> None:
    user, _, _ = enrolled(plant, "quality1")
    with pytest.raises(WrongCode):
        second.prove_second(user, text, None)


@pytest.mark.clause("ASVS 6.5.2", "ASVS 6.5.4")
def test_recovery_codes_replace_the_app_once_each_and_end_with_new_ones(plant: Plant) -> None:
    user, _, codes = enrolled(plant, "quality1")
    assert len(set(codes)) == 10
    second.prove_second(user, codes[3].lower(), None)
    with pytest.raises(WrongCode):
        second.prove_second(user, codes[3], None)
    assert second.factors_of(user).codes_left == 9
    second.renew_codes(user)
    with pytest.raises(WrongCode):
        second.prove_second(user, codes[4], None)


def test_a_factor_of_another_is_none_of_mine(plant: Plant) -> None:
    _, secret, codes = enrolled(plant, "quality1")
    other, _, _ = enrolled(plant, "analyst1")
    for text in (code(secret), codes[0]):
        with pytest.raises(WrongCode):
            second.prove_second(other, text, None)


@pytest.mark.clause("ASVS 6.6.3", "Part 11 11.300(d)")
def test_wrong_codes_lock_the_account_and_a_right_password_does_not_open_it(plant: Plant) -> None:
    user, secret, _ = enrolled(plant, "quality1")
    for _ in range(5):
        first_step(plant, "quality1")  # a right password in between does not start the count again
        with pytest.raises(WrongCode):
            second.prove_second(user, "000000" if code(secret) != "000000" else "000001", None)
    with pytest.raises(Locked):
        second.prove_second(user, code(secret), None)
    with pytest.raises(Locked):
        services.sign_in(user.username, plant.password, None)


def test_no_secret_of_a_factor_is_in_the_trail_or_readable_in_its_row(plant: Plant) -> None:
    user, secret, codes = enrolled(plant, "quality1")
    first_step(plant, "quality1").post("/sign-in/second", {"code": code(secret)})
    with reading(plant.company):
        told = str(list(AuditEntry.objects.filter(table_name__startswith="people_").values()))
        row = Totp.objects.get()
        assert secret not in row.secret
        for hidden in (secret, row.secret, *codes, *(c.replace("-", "") for c in codes), user.password):
            assert hidden not in told
        assert {"people_totp", "people_recoverycode", "people_passworduse", "people_websession"} <= set(
            AuditEntry.objects.values_list("table_name", flat=True)
        )


@pytest.mark.clause("ASVS 7.5.1", "ASVS 7.4.3")
def test_an_app_is_enrolled_on_the_page_with_the_password_and_other_sessions_end(
    plant: Plant, signed_in: Signed
) -> None:
    other, client = signed_in("science1", plant), signed_in("science1", plant)
    page = client.get("/account/totp").content.decode()
    assert "<svg" in page
    secret = "".join(re.search(r'data-testid="totp-secret">([A-Z2-7 ]+)<', page)[1].split())
    for form in ({"code": code(secret), "password": "wrong"}, {"code": "000000", "password": plant.password}):
        assert client.post("/account/totp", form).status_code == 403
    done = client.post("/account/totp", {"code": code(secret), "password": plant.password})
    assert len(re.findall(r"<li class=\"code\">", done.content.decode())) == 10
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 302
    assert (
        Browser()
        .post("/sign-in", {"username": f"{plant.code}-science1", "password": plant.password})
        .headers["Location"]
        == "/sign-in/second"
    )


@pytest.mark.clause("ASVS 6.3.3", "ASVS 6.3.4")
def test_a_role_that_needs_a_second_factor_gets_nothing_else_first(
    plant: Plant, signed_in: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "mfa_required", "quality_head, administrator")
    client = signed_in("quality1", plant)
    for address in ("/", "/lots", "/account", "/lots/BARO-2601A/release/sign/released"):
        assert client.get(address).headers["Location"] == "/account/totp"
    assert client.get("/lots", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/account/totp"
    assert client.get("/api/v1/lots").json()["code"] == "PPL-0215"
    page = client.get("/account/totp").content.decode()
    secret = "".join(re.search(r'data-testid="totp-secret">([A-Z2-7 ]+)<', page)[1].split())
    client.post("/account/totp", {"code": code(secret), "password": plant.password})
    assert client.get("/lots").status_code == 200
    assert signed_in("operator1", plant).get("/lots").status_code == 200


@pytest.mark.clause("ASVS 6.4.4", "ASVS 6.5.6", "Part 11 11.300(c)")
def test_lost_factors_are_taken_away_by_two_people_and_sessions_end(plant: Plant) -> None:
    user, secret, _ = enrolled(plant, "analyst1")
    client = Browser()
    client.post("/sign-in", {"username": user.username, "password": plant.password})
    assert client.post("/sign-in/second", {"code": code(secret)}).status_code == 302
    assert client.get("/lots").status_code == 200
    kind = RightsChange.Kind.RESET_FACTORS
    for name in ("quality1", "operator1"):
        with pytest.raises(NotPermitted):
            request_change(plant.user(name), user, kind, "lost")
    wanted = request_change(plant.user("admin1"), user, kind, "phone lost, identity checked")
    assert second.factors_of(user), "asking changes nothing"
    with pytest.raises(SameHand):
        decided(plant, "admin1", wanted)
    decided(plant, "quality1", wanted)
    assert not second.factors_of(user)
    assert client.get("/lots").status_code == 302, "whoever has the device may have been in"
    with pytest.raises(NothingToChange):
        request_change(plant.user("admin1"), user, kind, "again")


@pytest.mark.clause("ASVS 6.4.3")
def test_a_forgotten_password_is_reset_without_a_way_round_the_second_factor(plant: Plant) -> None:
    user, secret, _ = enrolled(plant, "analyst1")
    wanted = request_change(plant.user("admin1"), user, RightsChange.Kind.RESET_PASSWORD, "forgot it")
    decided(plant, "quality1", wanted)
    client = Browser()
    answer = client.post("/sign-in", {"username": user.username, "password": first_password(wanted.id)})
    assert answer.headers["Location"] == "/sign-in/second"
    assert client.get("/lots").status_code == 302
    assert client.post("/sign-in/second", {"code": code(secret)}).status_code == 302
    assert client.get("/lots").headers["Location"].startswith("/account/password"), "and then a password of one's own"


@pytest.mark.clause("ASVS 6.5.3")
def test_secrets_of_second_factors_are_long_and_come_from_the_system(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets_made = {second.new_secret() for _ in range(50)}
    assert len(secrets_made) == 50
    assert {len(base64.b32decode(text)) for text in secrets_made} == {20}
    _, _, codes = enrolled(plant, "analyst1")
    assert len(set(codes)) == second.CODES
    assert {len(base64.b32decode(text.replace("-", ""))) for text in codes} == {15}
    # what Python's generator for secrets gives, which asks the operating system, is what they are made of
    monkeypatch.setattr(secrets, "token_bytes", lambda n: bytes(range(n)))
    assert second.new_secret() == base64.b32encode(bytes(range(20))).decode()


def decided(plant: Plant, name: str, wanted: RightsChange) -> None:
    with reading(plant.company):
        seen = change_hash(RightsChange.objects.select_related("user").get(id=wanted.id))
    decide_change(plant.user(name), plant.password, wanted.id, approve=True, reason="checked", seen_hash=seen)


def test_the_second_step_is_nothing_without_the_first_and_not_for_long(plant: Plant) -> None:
    _, secret, _ = enrolled(plant, "quality1")
    assert Browser().post("/sign-in/second", {"code": code(secret)}).status_code == 403
    client = first_step(plant, "quality1")
    session = client.session
    session["pending"] = session["pending"] | {"at": int(time.time()) - 301}
    session.save()
    late = client.post("/sign-in/second", {"code": code(secret)})
    assert (late.status_code, "PPL-0216" in late.content.decode()) == (403, True)


# --- passwords


@pytest.mark.clause("ASVS 6.2.1", "ASVS 6.2.4", "ASVS 6.2.11", "Part 11 11.300(b)")
@pytest.mark.parametrize(
    ("weak", "rule"),
    [
        ("short", "At least 12 characters."),
        ("aaaaaaaaaaa", "At least 12 characters."),
        ("password1234", "It is made of words that everybody here knows"),
        ("qlalfqjsgh!2026", "It is made of words that everybody here knows"),
        ("baropharma2026", "It is made of words that everybody here knows"),
        ("품질부서 책임자 1234", "It is made of words that everybody here knows"),
        ("administrator", "This password is too common."),
    ],
)
def test_weak_passwords_are_refused_and_the_rule_is_named(plant: Plant, weak: str, rule: str) -> None:
    with translation.override("en"), pytest.raises(PasswordRefused) as refused:
        passwords.change_password(plant.user("quality1"), weak)
    with translation.override("en"):
        assert rule in refused.value.text
    assert services.sign_in(f"{plant.code}-quality1", plant.password, None) is not None


@pytest.mark.clause("ASVS 6.2.5", "ASVS 6.2.8", "ASVS 6.2.9")
@pytest.mark.parametrize(
    "good", [NEW, "초록 주전자 일곱 개가 노래한다", " leading and trailing  ", "x" * 5 + "Ω🫖 " * 100]
)
def test_any_composition_and_length_is_accepted_as_it_is(plant: Plant, good: str) -> None:
    user = plant.user("quality1")
    passwords.change_password(user, good)
    assert services.sign_in(user.username, good, None) is not None
    assert services.sign_in(user.username, f"{good} ", None) is None


@pytest.mark.clause("Part 11 11.300(b)")
def test_the_last_passwords_do_not_come_back(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config(), "password_history", 2)
    user = plant.user("quality1")
    with pytest.raises(PasswordRefused):
        passwords.change_password(user, plant.password)
    for n in range(2):
        passwords.change_password(user, f"{NEW} {n}")
    with pytest.raises(PasswordRefused):
        passwords.change_password(user, f"{NEW} 0")
    passwords.change_password(user, plant.password)


@pytest.mark.clause("ASVS 6.2.2", "ASVS 6.2.3", "ASVS 7.4.3")
def test_the_password_is_changed_with_the_old_one_and_ends_other_sessions(plant: Plant, signed_in: Signed) -> None:
    other, client = signed_in("analyst1", plant), signed_in("analyst1", plant)
    key = client.session.session_key
    form = {"password": plant.password, "new": NEW, "again": NEW}
    for wrong, told in ({"password": "wrong"}, "LED-0003"), ({"again": "other"}, "PPL-0209"):
        answer = client.post("/account/password", form | wrong)
        assert told in answer.content.decode()
    assert client.post("/account/password", form).status_code == 302
    assert client.get("/account").status_code == 200
    assert client.session.session_key != key
    assert other.get("/account").status_code == 302
    assert services.sign_in(f"{plant.code}-analyst1", plant.password, None) is None


@pytest.mark.clause("ASVS 6.4.1", "ASVS 6.4.6", "Part 11 11.300(b)")
def test_a_password_from_an_administrator_opens_the_change_of_it_only(plant: Plant) -> None:
    user = plant.user("analyst1")
    text = given(plant, user)
    client = first_step(plant, "analyst1", text)
    for address in ("/", "/lots", "/account"):
        assert client.get(address).headers["Location"] == "/account/password"
    assert client.get("/api/v1/me").json()["code"] == "PPL-0215"
    assert 'data-testid="must-change"' in client.get("/account/password").content.decode()
    client.post("/account/password", {"password": text, "new": NEW, "again": NEW})
    assert client.get("/lots").status_code == 200
    with reading(plant.company):
        entry = AuditEntry.objects.filter(table_name="people_user", record_id=str(user.id)).latest("id")
        assert list(entry.new) == ["password"]
        assert re.fullmatch(r"\[secret\] [0-9a-f]{64}", entry.new["password"])


def test_a_temporary_password_expires(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    user = plant.user("analyst1")
    text = given(plant, user)
    monkeypatch.setattr(config(), "temporary_hours", 0)
    with pytest.raises(PasswordExpired):
        services.sign_in(user.username, text, None)
    assert outcomes(plant)[-1] == "expired"


@pytest.mark.clause("Part 11 11.300(b)")
def test_an_old_password_is_announced_and_then_has_to_be_changed(
    plant: Plant, signed_in: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "password_days", 10)
    assert 'data-testid="password-ends"' in signed_in("science1", plant).get("/").content.decode()
    soon = passwords.password_state(plant.user("science1"))
    assert (soon.must_change, soon.days_left) == (False, 9)
    later = timezone.now() + timedelta(days=11)
    monkeypatch.setattr("baro.apps.people.passwords.timezone.now", lambda: later)
    assert passwords.password_state(plant.user("science1")).must_change


def test_a_new_account_begins_with_a_temporary_password(plant: Plant) -> None:
    made = services.create_user(
        plant.user("admin1"),
        username=f"{plant.code}-new",
        password=secrets.token_urlsafe(18),
        full_name="작업자 2",
        full_name_en="Operator 2",
        reason="new colleague",
    )
    assert passwords.password_state(made).temporary


# --- sessions


@pytest.mark.clause("ASVS 7.2.4", "ASVS 7.2.3")
def test_the_key_is_new_at_sign_in_and_a_planted_one_opens_nothing(plant: Plant) -> None:
    client = Browser()
    client.post("/language", {"language": "en"})
    planted = client.session.session_key
    client.post("/sign-in", {"username": f"{plant.code}-quality1", "password": plant.password})
    assert client.session.session_key != planted
    assert client.get("/lots").status_code == 200
    attacker = Browser()
    attacker.cookies["sessionid"] = planted
    assert attacker.get("/lots").status_code == 302


@pytest.mark.clause("ASVS 7.1.2", "Part 11 11.10(d)")
def test_one_session_more_than_allowed_ends_the_one_idle_longest(plant: Plant, signed_in: Signed) -> None:
    clients = [signed_in("quality1", plant) for _ in range(3)]
    with reading(plant.company):
        oldest = WebSession.objects.order_by("started_at").first()
    clients.append(signed_in("quality1", plant))
    assert [client.get("/lots").status_code for client in clients] == [302, 200, 200, 200]
    with reading(plant.company):
        assert WebSession.objects.get(id=oldest.id).end == "limit"
        assert SignIn.objects.filter(outcome="ended", method="limit").count() == 1
    # the sign-in page tells why
    assert 'data-testid="ended"' in clients[0].get("/sign-in").content.decode()


@pytest.mark.clause("ASVS 7.3.1", "Part 11 11.10(d)", "별표 9 4.8")
def test_polling_keeps_no_session_awake_and_idleness_ends_it(plant: Plant, signed_in: Signed) -> None:
    client = signed_in("quality1", plant)
    before = timezone.now() - timedelta(minutes=29)
    backdate(plant, SessionActivity.objects, at=before)
    for address in ("/now", "/lots/BARO-2601A/state.json", "/account/session", "/api/v1/me"):
        assert client.get(address).status_code == 200
    assert 0 < client.get("/account/session").json()["left"] <= 60
    with reading(plant.company):
        assert SessionActivity.objects.get().at == before
    assert client.post("/account/session").json()["left"] > 1700
    backdate(plant, SessionActivity.objects, at=timezone.now() - timedelta(minutes=31))
    assert client.get("/account/session", headers={"Accept": "application/json"}).status_code == 401
    assert client.get("/lots").status_code == 302
    with reading(plant.company):
        assert WebSession.objects.get().end == "idle"


@pytest.mark.clause("ASVS 7.3.2")
def test_no_session_is_older_than_twelve_hours(plant: Plant, signed_in: Signed) -> None:
    client = signed_in("quality1", plant)
    backdate(plant, WebSession.objects, started_at=timezone.now() - timedelta(hours=12, seconds=1))
    assert client.get("/lots").status_code == 302
    with reading(plant.company):
        assert WebSession.objects.get().end == "age"


@pytest.mark.clause("ASVS 7.4.1", "ASVS 7.5.2")
def test_people_see_and_end_their_sessions_with_their_password(plant: Plant, signed_in: Signed) -> None:
    other, client = signed_in("quality1", plant), signed_in("quality1", plant)
    stolen = Browser()
    stolen.cookies["sessionid"] = other.cookies["sessionid"].value
    page = client.get("/account").content.decode()
    (theirs,) = re.findall(r'name="session" value="([0-9a-f-]{36})"', page)
    assert client.post("/account/sessions", {"session": theirs, "password": "wrong"}).status_code == 403
    assert other.get("/lots").status_code == 200
    assert client.post("/account/sessions", {"session": theirs, "password": plant.password}).status_code == 302
    assert [c.get("/lots").status_code for c in (stolen, other, client)] == [302, 302, 200]
    for unknown in (theirs, "x", ""):
        assert client.post("/account/sessions", {"session": unknown, "password": plant.password}).status_code == 404
    strangers = signed_in("analyst1", plant)
    with reading(plant.company):
        mine = WebSession.objects.filter(user=plant.user("quality1"), ended_at=None).get()
    assert strangers.post("/account/sessions", {"session": str(mine.id), "password": plant.password}).status_code == 404
    with pytest.raises(NotPermitted):
        sessions.end_session(plant.user("analyst1"), mine, WebSession.End.BY_ADMINISTRATOR)


@pytest.mark.clause("ASVS 7.4.2", "ASVS 7.4.5", "ASVS 8.3.2")
def test_disabling_and_an_administrator_end_sessions_and_rights_change_at_once(plant: Plant, signed_in: Signed) -> None:
    user = plant.user("admin1")
    client, other = signed_in("admin1", plant), signed_in("analyst1", plant)
    assert client.get("/attempts").status_code == 200
    with change(Program("tester", plant.company), "moved"):
        user.assignments.update(role="operator")
    assert client.get("/attempts").status_code == 403
    with change(Program("tester", plant.company), "left"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert client.get("/lots").status_code == 302
    with change(Program("tester", plant.company), "moved"):
        user.is_active = True
        user.save(update_fields=["is_active"])
        user.assignments.update(role="administrator")
    assert client.get("/lots").status_code == 302  # what has ended has ended
    analyst = plant.user("analyst1")
    assert sessions.end_sessions(plant.user("admin1"), analyst, WebSession.End.BY_ADMINISTRATOR) == 1
    assert other.get("/lots").status_code == 302


# --- attacks on the door


@pytest.mark.clause("ASVS 6.3.1", "Part 11 11.300(d)")
def test_many_accounts_tried_from_one_address_close_the_door_to_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "address_attempts", 8)
    monkeypatch.setattr(config(), "company", plant.code)
    address = f"203.0.113.{hash(plant.code) % 250}"
    names = [f"{plant.code}-{name}" for name in ("quality1", "analyst1", "operator1", "production1")]
    for name in [*names, *(f"guess{n}" for n in range(4))]:
        assert services.sign_in(name, "wrong password", address) is None
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            services.sign_in(names[0], plant.password, address)
    assert services.sign_in(names[0], plant.password, "203.0.113.254") is not None
    assert outcomes(plant).count("limited") == 1  # one a minute is enough to know


@pytest.mark.clause("Part 11 11.300(d)", "ASVS 16.3.1")
def test_an_unknown_name_is_on_record_for_the_installation_and_for_nobody_else(
    plant: Plant, shown: Plant, monkeypatch: pytest.MonkeyPatch, signed_in: Signed
) -> None:
    monkeypatch.setattr(config(), "company", plant.code)
    name = "who\r\n2026-01-01 accepted\x1b[2J<b>admin"
    assert Browser().post("/sign-in", {"username": name, "password": "x"}).status_code == 403
    with reading(plant.company):
        kept = SignIn.objects.get(outcome="unknown")
        assert kept.user is None
        assert kept.username == "[not a name]", "what cannot be a name may be a password"
    with reading(shown.company):
        assert not SignIn.objects.filter(outcome="unknown", username=kept.username).exists()
    page = signed_in("admin1", plant).get("/attempts?only=all").content.decode()
    assert "[not a name]" in page
    assert "<b>admin" not in page
    likely = f"nobody-{plant.code}"
    assert Browser().post("/sign-in", {"username": likely, "password": "x"}).status_code == 403
    with reading(plant.company):
        assert SignIn.objects.filter(outcome="unknown", username=likely).exists()


@pytest.mark.clause("Part 11 11.300(d)")
def test_misuse_is_told_to_administrators_on_every_page(plant: Plant, signed_in: Signed) -> None:
    admin, operator = signed_in("admin1", plant), signed_in("operator1", plant)
    assert 'data-testid="misuse"' not in admin.get("/").content.decode()
    for _ in range(6):
        Browser().post("/sign-in", {"username": f"{plant.code}-quality1", "password": "wrong"})
    assert 'data-testid="misuse"' in admin.get("/lots").content.decode()
    assert 'data-testid="misuse"' not in operator.get("/lots").content.decode()
    assert operator.get("/attempts").status_code == 403


@pytest.mark.clause("ASVS 6.3.8")
def test_work_and_answer_do_not_tell_a_known_name(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    def worked(name: str, word: str = "not the password") -> list[tuple[str, int]]:
        """What the hasher was asked to do: each time how, and over how long a password."""
        asked.clear()
        Browser().post("/sign-in", {"username": name, "password": word})
        return list(asked)

    asked: list[tuple[str, int]] = []
    hasher = type(get_hasher())
    plain = hasher.encode

    def counted(self: object, password: str, salt: str) -> str:
        asked.append((type(self).__name__, len(password)))
        return plain(self, password, salt)

    verified = hasher.verify

    def checked(self: object, password: str, encoded: str) -> bool:
        asked.append((type(self).__name__, len(password)))
        return verified(self, password, encoded)

    monkeypatch.setattr(hasher, "encode", counted)
    monkeypatch.setattr(hasher, "verify", checked)
    # Argon2 is nearly all of the time of a sign-in: once over what was typed, whether there is such a name or not
    known = worked(f"{plant.code}-quality1")
    assert len(known) == 1
    for name in ("nobody", "nobody at all", "", f"{plant.code}-quality1 "):
        assert worked(name) == known, name
    with change(Program("tester", plant.company), "left"):
        user = plant.user("analyst1")
        user.is_active = False
        user.save(update_fields=["is_active"])
    pages = []
    for name, word in ((user.username, plant.password), (user.username, "wrong"), ("nobody-at-all", "x")):
        answer = Browser().post("/sign-in", {"username": name, "password": word})
        pages.append(re.sub(r'value="[^"]*"|data-now="[^"]*"|>[^<]* KST<', "", answer.content.decode()))
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize(
    "there",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil.example", "///x"],
)
def test_no_way_out_by_the_page_to_return_to(plant: Plant, there: str) -> None:
    _, secret, _ = enrolled(plant, "quality1")
    client = Browser()
    client.post("/sign-in", {"username": f"{plant.code}-quality1", "password": plant.password, "next": there})
    assert client.post("/sign-in/second", {"code": code(secret)}).headers["Location"] == "/"


def test_no_header_is_made_by_the_page_to_return_to(plant: Plant) -> None:
    form = {"username": f"{plant.code}-quality1", "password": plant.password, "next": "/lots\r\nX-Evil: 1"}
    assert "X-Evil" not in Browser().post("/sign-in", form).headers


@pytest.mark.clause("ASVS 3.5.1")
def test_no_form_of_the_account_is_taken_from_elsewhere(plant: Plant, signed_in: Signed) -> None:
    client = signed_in("quality1", plant)
    client.handler.enforce_csrf_checks = True
    for address in ("password", "sessions", "tokens", "totp", "factors", "passkeys", "passkeys/begin", "session"):
        assert client.post(f"/account/{address}", {"password": plant.password}).status_code == 403
    stranger = Browser()
    stranger.handler.enforce_csrf_checks = True
    for address in ("/sign-in", "/sign-in/second", "/sign-in/passkey", "/sign-in/passkey/begin"):
        assert stranger.post(address, {"username": f"{plant.code}-quality1"}).status_code == 403


@pytest.mark.clause("Part 11 11.100(a)", "Part 11 11.300(a)")
def test_a_name_is_never_given_twice_and_no_account_is_deleted(plant: Plant) -> None:
    user = plant.user("operator1")
    with change(Program("tester", plant.company), "left"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    told = {"password": NEW, "full_name": "작업자 2", "full_name_en": "Operator 2", "reason": "new"}
    with pytest.raises(CodeTaken):
        services.create_user(plant.user("admin1"), username=user.username, **told)
    with pytest.raises(ProgrammingError), change(Program("tester", plant.company), "x"):
        User.objects.filter(id=user.id)._raw_delete("default")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"id": 1}', b'{"rawId": "x", "response": {}}', b"\xff"])
def test_a_passkey_that_is_none_is_refused(plant: Plant, body: bytes) -> None:
    client = Browser()
    client.post("/sign-in/passkey/begin")
    answer = client.post(
        "/sign-in/passkey", body, content_type="application/json", headers={"Accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "PPL-0212")


def test_every_state_of_the_account_has_its_page(plant: Plant, signed_in: Signed) -> None:
    client = signed_in("quality1", plant)
    client.post("/language", {"language": "en"})
    page = client.get("/account").content.decode()
    for told in ("My account", "Sessions", "API tokens", "Second factors", "Head of quality"):
        assert told in page
    form = {"name": "report", "scopes": ["view"], "days": "30", "password": plant.password}
    made = client.post("/account/tokens", form).content.decode()
    text = re.search(r'data-testid="new-token-text">(baro_[\w-]+)<', made)[1]
    assert Browser().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    assert text not in client.get("/account").content.decode()
    revoke = re.search(r'action="(/account/tokens/[0-9a-f-]{36})"', client.get("/account").content.decode())[1]
    assert client.post(revoke).status_code == 302
    assert Browser().get("/api/v1/me", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert client.post("/account/tokens", form | {"days": "x"}).status_code == 400
    with reading(plant.company):
        assert PasswordUse.objects.count() >= 7


@pytest.mark.clause("ASVS 7.4.1")
def test_what_browsers_left_is_cleared_and_open_sessions_stay(plant: Plant, signed_in: Signed) -> None:
    client, old = signed_in("analyst1", plant), Browser()
    old.post("/language", {"language": "en"})
    key = old.cookies["sessionid"].value
    StoredSession.objects.filter(session_key=key).update(expire_date=timezone.now() - timedelta(seconds=1))
    clear_sessions(int(time.time()))
    assert not StoredSession.objects.filter(session_key=key).exists()
    assert client.get("/lots").status_code == 200
