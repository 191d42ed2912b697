"""The REST interface: who is let in, with what, and what it answers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.errors import TokenCannotSign, TokenInvalid
from baro.apps.people.models import ApiToken, SignIn
from baro.apps.people.services import reauthenticate
from baro.apps.people.tokens import create_token, revoke_token
from baro.config import config
from tests.plant import Plant
from tests.web.conftest import Browser
from tests.web.conftest import SignIn as Signed

ROUTES = ("/api/v1/me", "/api/v1/tokens", "/api/v1/lots", "/api/v1/lots/BARO-2601B", "/api/v1/openapi.json")


def ask(token: str, path: str = "/api/v1/me", method: str = "get", **more: object):
    return getattr(Browser(), method)(path, headers={"Authorization": f"Bearer {token}"}, **more)


def attempts(plant: Plant) -> list[tuple[str, str]]:
    with reading(plant.company):
        return list(SignIn.objects.filter(purpose="token").values_list("outcome", "username"))


def test_a_token_opens_what_its_person_may_see(plant: Plant) -> None:
    user = plant.user("operator1")
    token, text = create_token(user, "report", ["view"], 30)
    me = ask(text).json()
    assert (me["username"], me["permissions"], me["by_token"]) == (user.username, ["view"], True)
    assert [lot["lot_no"] for lot in ask(text, "/api/v1/lots").json()["lots"]]
    shown = ask(text, "/api/v1/tokens").json()
    assert [(t["id"], t["begins_with"]) for t in shown] == [(str(token.id), text[:11])]
    assert text not in str(shown)
    with reading(plant.company):
        assert ApiToken.objects.get().use.at is not None
        told = str(list(AuditEntry.objects.filter(table_name="people_apitoken").values()))
        assert token.secret not in told
        assert "[secret]" in told
        assert not AuditEntry.objects.filter(table_name="people_apitokenuse").exists()


def test_a_lot_is_told_with_verdict_criteria_and_decision(shown: Plant) -> None:
    _, text = create_token(shown.user("operator1"), "report", ["view"], 1)
    lot = ask(text, "/api/v1/lots/BARO-2601B").json()
    verdict = shown.final_verdict("BARO-2601B")
    assert (lot["verdict"], lot["final"], lot["content_hash"]) == ("failed", True, verdict.content_hash)
    assert [c["key"] for c in lot["criteria"]] == [c["key"] for c in verdict.criteria]
    assert [c["value"] for c in lot["criteria"]] == [c["value"] for c in verdict.criteria]
    found = ask(text, "/api/v1/lots?verdict=failed").json()
    assert ([row["lot_no"] for row in found["lots"]], found["next"]) == (["BARO-2601B"], None)
    assert ask(text, "/api/v1/lots/NO-SUCH").json()["code"] == "REL-0001"


@pytest.mark.clause("ASVS 10.3.2", "ASVS 8.2.1")
def test_a_token_never_has_more_rights_than_its_scopes_and_its_person(plant: Plant) -> None:
    head = plant.user("quality1")
    _, narrow = create_token(head, "narrow", ["view"], 1)
    assert ask(narrow).json()["permissions"] == ["view"]
    with pytest.raises(NotPermitted):
        create_token(plant.user("operator1"), "more", ["view", "decide_release"], 1)
    _, blind = create_token(plant.user("admin1"), "blind", ["manage_people"], 1)
    assert ask(blind, "/api/v1/lots").status_code == 403
    # the right goes with the role, at once
    _, wide = create_token(head, "wide", ["view", "decide_release"], 1)
    assert "decide_release" in ask(wide).json()["permissions"]
    with change(Program("tester", plant.company), "moved"):
        head.assignments.update(role="operator")
    assert ask(wide).json()["permissions"] == ["view"]


@pytest.mark.clause("Part 11 11.200(a)(1)")
def test_a_token_signs_nothing_and_makes_no_token(plant: Plant) -> None:
    user = plant.user("quality1")
    _, text = create_token(user, "report", ["view", "decide_release"], 1)
    user.limited_to = frozenset({"view", "decide_release"})
    for act in (lambda: reauthenticate(user, plant.password, None), lambda: user.check_password(plant.password)):
        with pytest.raises(TokenCannotSign):
            act()
    body = {"name": "x", "scopes": ["view"], "days": 1, "password": plant.password}
    refused = ask(text, "/api/v1/tokens", "post", data=body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "PPL-0203")
    # nor does it open a page
    assert Browser().get("/lots", headers={"Authorization": f"Bearer {text}"}).status_code == 302


@pytest.mark.clause("ASVS 7.4.1", "ASVS 9.2.1", "Part 11 11.300(d)")
def test_expired_revoked_and_disabled_are_refused_and_on_record(plant: Plant) -> None:
    user = plant.user("analyst1")
    made = {name: create_token(user, name, ["view"], 1) for name in ("late", "gone", "left")}
    with change(Program("tester", plant.company), "time passes"):
        ApiToken.objects.filter(name="late").update(expires_at=timezone.now() - timedelta(seconds=1))
    revoke_token(plant.user("admin1"), made["gone"][0].id, "leaked")
    for name in ("late", "gone"):
        refused = ask(made[name][1])
        assert (refused.status_code, refused.json()["code"]) == (401, "PPL-0201")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert ask(made["left"][1]).status_code == 200
    with change(Program("tester", plant.company), "left the company"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert ask(made["left"][1]).status_code == 401
    assert [outcome for outcome, _ in attempts(plant)] == ["expired", "revoked", "disabled"]


@pytest.mark.parametrize("text", ["", "x", "baro_", "baro_" + "A" * 43, "baro_\u00e9", "'; DROP TABLE people_user --"])
def test_forged_tokens_are_refused_and_on_record(plant: Plant, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(config(), "company", plant.code)
    refused = ask(text)
    assert (refused.status_code, refused.json()["code"]) == (401, "PPL-0201")
    ((outcome, name),) = attempts(plant)
    assert outcome == "forged"
    assert name == (text[:11] if text.startswith("baro_") else "[not a name]")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Token x", "bearer\tx", "Negotiate"])
def test_other_ways_of_authorization_are_refused(shown: Plant, signed_in: Signed, header: str) -> None:
    # a session that is there does not help
    assert signed_in("quality1").get("/api/v1/me", headers={"Authorization": header}).status_code == 401


def test_a_token_of_one_company_sees_nothing_of_another(plant: Plant, shown: Plant) -> None:
    _, text = create_token(plant.user("quality1"), "report", ["view"], 1)
    theirs, _ = create_token(shown.user("quality1"), "theirs", ["view"], 1)
    assert ask(text, "/api/v1/lots/BARO-2601B").json()["verdict"] is None
    gone = ask(text, f"/api/v1/tokens/{theirs.id}", "delete")
    assert (gone.status_code, gone.json()["code"]) == (404, "PPL-0205")
    with reading(shown.company):
        assert ApiToken.objects.get(id=theirs.id).revoked_at is None


def test_a_colleague_cannot_revoke_but_the_administrator_can(plant: Plant, signed_in: Signed) -> None:
    token, _ = create_token(plant.user("quality1"), "report", ["view"], 1)
    assert signed_in("operator1", plant).delete(f"/api/v1/tokens/{token.id}").status_code == 403
    done = signed_in("admin1", plant).delete(f"/api/v1/tokens/{token.id}?reason=found+on+a+share")
    assert done.json()["revoked_at"]
    with reading(plant.company):
        entry = AuditEntry.objects.filter(table_name="people_apitoken", action="update").get()
        assert (entry.reason, entry.actor_id) == ("found on a share", plant.user("admin1").id)


@pytest.mark.clause("ASVS 7.5.3")
def test_a_token_is_made_from_a_session_with_the_password(plant: Plant, signed_in: Signed) -> None:
    client = signed_in("science1", plant)
    body = {"name": "trend", "scopes": ["view"], "days": 30, "password": "wrong"}
    sent = {"content_type": "application/json"}
    assert client.post("/api/v1/tokens", body, **sent).json()["code"] == "LED-0003"
    made = client.post("/api/v1/tokens", body | {"password": plant.password}, **sent)
    assert made.status_code == 201
    assert ask(made.json()["token"]).json()["username"] == f"{plant.code}-science1"
    for wrong in ({"days": 367}, {"days": 0}, {"name": ""}, {"scopes": []}):
        assert client.post("/api/v1/tokens", body | wrong, **sent).status_code == 422
    assert (
        client.post("/api/v1/tokens", body | {"scopes": ["everything"], "password": plant.password}, **sent).json()[
            "code"
        ]
        == "PPL-0204"
    )
    with pytest.raises(TokenInvalid):
        create_token(plant.user("science1"), " ", ["view"], 1)


@pytest.mark.clause("ASVS 3.5.1")
def test_a_session_needs_the_csrf_token_to_write_and_a_program_does_not(plant: Plant, signed_in: Signed) -> None:
    token, text = create_token(plant.user("analyst1"), "report", ["view"], 1)
    client = signed_in("analyst1", plant)
    client.handler.enforce_csrf_checks = True
    refused = client.delete(f"/api/v1/tokens/{token.id}")
    assert (refused.status_code, refused.json()["code"]) == (403, "PPL-0206")
    assert client.get("/api/v1/me").status_code == 200
    assert ask(text, f"/api/v1/tokens/{token.id}", "delete").status_code == 200


def test_the_interface_answers_in_json_whatever_is_asked(shown: Plant, signed_in: Signed) -> None:
    client = signed_in("operator1")
    for path in ROUTES:
        for accept in ("text/html", "text/event-stream", "*/*"):
            answer = Browser().get(path, headers={"Accept": accept})
            assert (answer.status_code, answer.json()["code"]) == (401, "PPL-0202"), path
        assert client.get(path).status_code == 200
    for method, path, status, code in (
        ("get", "/api/v1/nowhere", 404, "WEB-0404"),
        ("get", "/api/", 404, "WEB-0404"),
        ("put", "/api/v1/me", 405, "WEB-0405"),
        ("post", "/api/v1/lots", 405, "WEB-0405"),
        ("get", "/api/v1/lots?verdict=no", 422, "WEB-0422"),
        ("get", "/api/v1/lots?first=-1", 422, "WEB-0422"),
        ("get", "/api/v1/lots?search=%00", 400, "WEB-0400"),
    ):
        answer = getattr(client, method)(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    broken = client.post("/api/v1/tokens", "{", content_type="application/json")
    assert (broken.status_code, broken.headers["Content-Type"]) == (400, "application/json")


def test_the_document_names_every_route_and_both_ways_in(signed_in: Signed) -> None:
    document = signed_in("operator1").get("/api/v1/openapi.json").json()
    assert {"/api/v1/me", "/api/v1/lots", "/api/v1/tokens"} <= set(document["paths"])
    assert {scheme["type"] for scheme in document["components"]["securitySchemes"].values()} == {"http", "apiKey"}
