"""The pages of people and rights: who sees them, what they show, and what two people do with them."""

from __future__ import annotations

import html
import re
from uuid import uuid4

import pytest

from baro.apps.ledger.services import reading
from baro.apps.people.models import ReviewLine, RightsChange, User
from baro.apps.people.roles import Role
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn
from tests.web.test_pages import HANGUL

HX = {"HX-Request": "true"}


def address(plant: Plant, name: str) -> str:
    return f"/people/{plant.user(name).id}"


def ask(client: Browser, plant: Plant, name: str, kind: str = "grant", **form: str):
    return client.post(f"{address(plant, name)}/request/{kind}", {"reason": "project"} | form, headers=HX)


def sign(client: Browser, plant: Plant, who: str, change: RightsChange, answer: str, **form: str):
    there = f"/people/requests/{change.id}/{answer}"
    dialog = client.get(there, headers=HX)
    nonce = re.search(r'name="nonce" value="([^"]*)"', dialog.content.decode())
    told = {"nonce": nonce[1] if nonce else "", "name": f"{plant.code}-{who}", "password": plant.password}
    return client.post(there, told | {"reason": "checked", "accepted": "1"} | form, headers=HX)


def only_request(plant: Plant) -> RightsChange:
    with reading(plant.company):
        return RightsChange.objects.select_related("user").get()


def test_only_who_manages_or_reviews_people_sees_them(shown: Plant, signed_in: SignIn) -> None:
    for name, status in (("admin1", 200), ("quality1", 200), ("operator1", 403), ("production1", 403)):
        client = signed_in(name)
        for page in ("/people", address(shown, "analyst1")):
            assert client.get(page).status_code == status, name
        assert ('href="/people"' in client.get("/").content.decode()) == (status == 200)
    for name in ("quality1", "operator1"):
        client = signed_in(name)
        for page in ("/people/new", f"{address(shown, 'analyst1')}/request/grant"):
            assert client.get(page).status_code == client.post(page, {"reason": "x"}).status_code == 403
    assert signed_in("admin1").get(f"/people/{uuid4()}").status_code == 404


def test_the_picture_shows_roles_held_and_asked_for(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("admin1", plant)
    assert ask(client, plant, "operator1", role=Role.ANALYST, valid_from="2030-01-01").status_code == 204
    page = client.get("/people").content.decode()
    row = re.search(rf'data-testid="person-{plant.code}-operator1".*?</tr>', page, re.S)[0]
    assert re.findall(r'class="mark-(\w+)"', row) == ["pending", "in_force"]
    found = client.get(f"/people?role=analyst&search={plant.code}").content.decode()
    assert set(re.findall(r'data-testid="person-[^-]*-(\w+)"', found)) == {"analyst1", "operator1"}
    assert "조건에 맞는 계정이 없습니다" in client.get("/people?search=zzz").content.decode()
    assert (
        set(re.findall(r'data-testid="person-[^-]*-(\w+)"', client.get("/people?state=disabled").content.decode()))
        == set()
    )


def test_two_people_change_rights_and_the_third_has_them_at_the_next_page(plant: Plant, signed_in: SignIn) -> None:
    concerned, one, two = (signed_in(name, plant) for name in ("operator1", "admin1", "admin2"))
    assert concerned.get("/people").status_code == 403
    assert ask(one, plant, "operator1", "end", assignment=str(uuid4())).status_code == 404
    dialog = one.get(f"{address(plant, 'operator1')}/request/grant", headers=HX).content.decode()
    assert f"{address(plant, 'operator1')}/conflicts" in dialog
    assert ask(one, plant, "operator1", role=Role.QUALITY_HEAD).status_code == 204

    page = one.get("/people").content.decode()
    assert 'data-testid="approve"' not in page
    assert 'data-testid="withdraw"' in page
    assert plant.user("admin2").name in re.search(r'data-testid="may-not">(.*?)<', page)[1]
    own = sign(one, plant, "admin1", only_request(plant), "approve")
    assert (own.status_code, "PPL-0101" in own.content.decode()) == (403, True)

    assert 'data-testid="notices"' in two.get("/").content.decode()
    wrong = sign(two, plant, "admin2", only_request(plant), "approve", password="guess")
    assert (wrong.status_code, "LED-0003" in wrong.content.decode()) == (403, True)
    assert concerned.get("/people").status_code == 403
    assert sign(two, plant, "admin2", only_request(plant), "approve").status_code == 204
    assert 'data-testid="notices"' not in two.get("/").content.decode()
    assert concerned.get("/people").status_code == 200  # the open session has the right at once
    page = two.get(address(plant, "operator1")).content.decode()
    assert html.escape(plant.user("admin1").name) in re.search(r'data-testid="assignments".*?</table>', page, re.S)[0]
    assert "역할 부여: 품질(보증)부서 책임자" in re.search(r'data-testid="decided".*?</table>', page, re.S)[0]


def test_conflicts_are_told_before_the_request_is_sent_and_refused_after(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("admin1", plant)
    there = f"{address(plant, 'production1')}/conflicts"
    told = client.get(f"{there}?role=quality_head", headers=HX).content.decode()
    assert 'data-testid="conflict"' in told
    assert "겸직할 수 없습니다" in told
    assert 'data-testid="no-conflict"' in client.get(f"{there}?role=analyst", headers=HX).content.decode()
    assert client.get(f"{there}?role=nonsense", headers=HX).status_code == 200
    refused = ask(client, plant, "production1", role=Role.QUALITY_HEAD)
    assert (refused.status_code, "PPL-0102" in refused.content.decode()) == (409, True)
    assert ">project</textarea>" in refused.content.decode()


def test_a_new_first_password_is_shown_once_to_whoever_approved(plant: Plant, signed_in: SignIn) -> None:
    one, two = signed_in("admin1", plant), signed_in("admin2", plant)
    assert ask(one, plant, "operator1", "reset_password").status_code == 204
    assert sign(two, plant, "admin2", only_request(plant), "approve").status_code == 204
    told = re.search(r'data-testid="first-password">(\w+)<', two.get("/people").content.decode())[1]
    assert 'data-testid="first-password"' not in two.get("/people").content.decode()
    assert 'data-testid="first-password"' not in one.get("/people").content.decode()
    form = {"username": f"{plant.code}-operator1", "password": told}
    assert Browser().post("/sign-in", form).status_code == 302


def test_a_new_account_has_no_right_until_somebody_else_approves(plant: Plant, signed_in: SignIn) -> None:
    one, two = signed_in("admin1", plant), signed_in("admin2", plant)
    form = {"username": f"{plant.code}-new", "full_name": "새 사람", "full_name_en": "New", "person": "77"}
    form |= {"role": Role.ANALYST, "reason": "새 직원"}
    for wrong in ({"username": "a b"}, {"full_name": " "}, {"reason": ""}, {"username": f"{plant.code}-admin1"}):
        refused = one.post("/people/new", form | wrong, headers=HX)
        assert refused.status_code in (400, 409)
        assert "새 직원" in refused.content.decode() or not wrong.get("reason", "x")
    made = one.post("/people/new", form, headers=HX)
    page = one.get(made.headers["HX-Redirect"]).content.decode()
    told = re.search(r'data-testid="first-password">(\w+)<', page)[1]
    newcomer, chosen = Browser(), "초록 주전자 일곱 개가 노래한다"
    assert newcomer.post("/sign-in", {"username": form["username"], "password": told}).status_code == 302
    assert newcomer.get("/").headers["Location"] == "/account/password"
    own = {"password": told, "new": chosen, "again": chosen}
    assert newcomer.post("/account/password", own).status_code == 302
    assert newcomer.get("/").status_code == 403
    assert sign(two, plant, "admin2", only_request(plant), "approve").status_code == 204
    assert newcomer.get("/").status_code == 200
    with reading(plant.company):
        assert User.objects.get(username=form["username"]).person == "77"


def test_a_request_is_withdrawn_by_whoever_sent_it(plant: Plant, signed_in: SignIn) -> None:
    one, two = signed_in("admin1", plant), signed_in("admin2", plant)
    ask(one, plant, "operator1", "disable")
    there = f"/people/requests/{only_request(plant).id}/withdraw"
    assert two.post(there, {"reason": "x"}, headers=HX).status_code == 403
    assert "LED-0002" in one.post(there, {"reason": " "}, headers=HX).content.decode()
    assert one.post(there, {"reason": "mistaken"}, headers=HX).status_code == 204
    assert only_request(plant).state == "withdrawn"


@pytest.mark.parametrize("day", ["2026-13-40", "tomorrow", "9999-12-31", "²"])
def test_days_that_are_none_are_refused(plant: Plant, signed_in: SignIn, day: str) -> None:
    refused = ask(signed_in("admin1", plant), plant, "operator1", role=Role.ANALYST, valid_until=day)
    assert (refused.status_code, "PPL-0105" in refused.content.decode()) == (400, True)


def test_the_pages_are_whole_in_both_languages(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("admin1", plant)
    ask(client, plant, "operator1", role=Role.ANALYST)
    client.post("/language", {"language": "en", "next": "/people"})
    names = {"품질", "제조부서"}
    for page in ("/people", address(plant, "operator1"), "/people/new", f"{address(plant, 'operator1')}/request/grant"):
        text = client.get(page).content.decode()
        assert set(HANGUL.findall(re.sub(r"<(dl|tbody).*?</\1>", "", text, flags=re.S))) <= {"한국어"} | names, page


def test_another_company_sees_nothing_of_it(plant: Plant, shown: Plant, signed_in: SignIn) -> None:
    client = signed_in("admin1", shown)
    ask(signed_in("admin1", plant), plant, "operator1", role=Role.ANALYST)
    change = only_request(plant)
    assert plant.code not in client.get("/people").content.decode()
    for there in (
        address(plant, "operator1"),
        f"/people/requests/{change.id}/approve",
        f"/people/requests/{change.id}/withdraw",
    ):
        assert client.get(there, headers=HX).status_code == 404, there
    assert client.post(f"/people/requests/{change.id}/withdraw", {"reason": "x"}, headers=HX).status_code == 404


def test_an_access_review_from_its_beginning_to_its_signature(plant: Plant, signed_in: SignIn) -> None:
    head, admin = signed_in("quality1", plant), signed_in("admin1", plant)
    assert signed_in("operator1", plant).get("/people/reviews").status_code == 403
    assert "LED-0002" in head.post("/people/reviews/new", {"reason": ""}, headers=HX).content.decode()
    there = head.post("/people/reviews/new", {"reason": "정기 검토"}, headers=HX).headers["HX-Redirect"]
    page = head.get(there).content.decode()
    own = re.search(rf'data-testid="line-{plant.code}-quality1".*?</tr>', page, re.S)[0]
    assert 'data-testid="own"' in own
    assert "/people/reviews/lines/" not in own
    with reading(plant.company):
        lines = {line.user.username.rsplit("-", 1)[1]: line.id for line in ReviewLine.objects.select_related("user")}
    refused = head.post(f"/people/reviews/lines/{lines['quality1']}", {"decision": "keep"}, headers=HX)
    assert (refused.status_code, "PPL-0101" in refused.content.decode()) == (403, True)
    assert (
        'data-testid="decided"'
        in admin.post(
            f"/people/reviews/lines/{lines['quality1']}", {"decision": "keep", "remark": "그대로"}, headers=HX
        ).content.decode()
    )
    for name, line in lines.items():
        if name != "quality1":
            answer = head.post(f"/people/reviews/lines/{line}", {"decision": "end" if name == "analyst1" else "keep"})
            assert answer.status_code == 200
    dialog = head.get(f"{there}/sign", headers=HX).content.decode()
    form = {"nonce": re.search(r'name="nonce" value="([^"]*)"', dialog)[1], "name": f"{plant.code}-quality1"}
    form |= {"password": plant.password, "reason": "검토함"}
    assert head.post(f"{there}/sign", form, headers=HX).status_code == 204
    assert 'data-finding="valid"' in head.get(there).content.decode()
    assert "analyst1" in re.search(r'data-testid="requests".*?</table>', admin.get("/people").content.decode(), re.S)[0]
    admin.post("/language", {"language": "en", "next": "/people"})
    for page in ("/people/reviews", "/people/reviews/new"):
        assert set(HANGUL.findall(re.sub(r"<tbody.*?</tbody>", "", admin.get(page).content.decode(), flags=re.S))) <= {
            "한국어"
        }


@pytest.mark.clause("ASVS 7.4.5", "ASVS 7.5.2", "Part 11 11.300(c)")
def test_an_administrator_ends_the_sessions_of_somebody_with_a_reason(plant: Plant, signed_in: SignIn) -> None:
    theirs, admin = signed_in("analyst1", plant), signed_in("admin1", plant)
    page = admin.get(address(plant, "analyst1")).content.decode()
    assert "127.0.0.1" in re.search(r'data-testid="person-sessions".*?</table>', page, re.S)[0]
    there = f"{address(plant, 'analyst1')}/sessions"
    for name in ("quality1", "operator1"):
        assert signed_in(name, plant).post(there, {"reason": "x"}, headers=HX).status_code == 403
    refused = admin.post(there, {"reason": " "}, headers=HX)
    assert (refused.status_code, "LED-0002" in refused.content.decode()) == (400, True)
    assert theirs.get("/lots").status_code == 200
    assert admin.get(there, headers=HX).status_code == 200
    assert admin.post(there, {"reason": "tablet lost"}, headers=HX).status_code == 204
    assert theirs.get("/lots").status_code == 302
    assert 'data-testid="person-sessions"' not in admin.get(address(plant, "analyst1")).content.decode()
    trail = admin.get("/api/v1/audit?table=people_websession&limit=20").json()["entries"]
    assert "tablet lost" in {entry["reason"] for entry in trail}


def test_accounts_and_roles_by_the_rest_interface(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("admin1", plant)
    told = client.get(f"/api/v1/users?search={plant.code}-an").json()
    ((user,), more) = told["users"], told["next"]
    assert (user["username"], user["roles"], user["active"], more) == (
        f"{plant.code}-analyst1",
        ["analyst"],
        True,
        None,
    )
    one = client.get(f"/api/v1/users/{user['id']}").json()
    assert [(held["role"], held["state"], held["site"]) for held in one["assignments"]] == [
        ("analyst", "in_force", None)
    ]
    held = client.get(f"/api/v1/assignments?in_force=true&role=administrator&user={plant.code}-admin2").json()
    assert [(one["user"], one["requested_by"]) for one in held["assignments"]] == [(f"{plant.code}-admin2", None)]
    assert client.get("/api/v1/users?state=disabled").json() == {"users": [], "next": None}
    assert client.get(f"/api/v1/users/{uuid4()}").json()["code"] == "PPL-0111"
    assert client.get("/api/v1/assignments?role=emperor").status_code == 422
    for name in ("operator1", "production1"):
        for path in ("users", f"users/{user['id']}", "assignments"):
            assert signed_in(name, plant).get(f"/api/v1/{path}").status_code == 403
    systems = signed_in("operator1", plant).get("/api/v1/systems").json()
    codes = {system["code"] for system in systems["systems"]}
    assert codes
    assert {interface["source"] for interface in systems["interfaces"]} <= codes
