"""Sign-in by an OpenID provider: whom it opens accounts to, and every way in which it is not believed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from baro.apps.ledger.errors import NotPermitted, RecordChanged
from baro.apps.ledger.models import AuditEntry, Signature
from baro.apps.ledger.services import Program, accept_accountability, change, content_hash, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.people import providers
from baro.apps.people.errors import (
    ChangeDecided,
    NothingToChange,
    ProviderInvalid,
    ProviderRefused,
    ProviderUnknown,
    SameHand,
)
from baro.apps.people.models import Identity, IdentityProvider, RightsChange, SignIn, User, WebSession
from baro.apps.people.rights.decisions import change_hash, decide_change
from baro.apps.people.rights.requests import request_change
from baro.config import config
from tests.plant import Plant
from tests.web.conftest import Browser
from tests.web.provider import CLIENT, SECRET


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("provider.py"))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    with process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


def approved(plant: Plant, issuer: str, claim: str = "preferred_username") -> IdentityProvider:
    wanted = asked(plant, issuer, claim)
    return trust(plant, "admin2", wanted)


def trust(plant: Plant, name: str, wanted: IdentityProvider) -> IdentityProvider:
    accept_accountability(plant.user(name), plant.password)
    with reading(plant.company):
        seen = content_hash(providers.provider_content(IdentityProvider.objects.get(id=wanted.id)))
    return providers.approve_provider(plant.user(name), plant.password, wanted.id, reason="checked", seen_hash=seen)


def asked(plant: Plant, issuer: str, claim: str = "preferred_username") -> IdentityProvider:
    return providers.request_provider(
        plant.user("admin1"),
        code="plant",
        name_ko="공장 계정",
        name_en="Plant account",
        issuer=issuer,
        client_id=CLIENT,
        secret=SECRET,
        claim=claim,
        reason="approved by IT and quality",
    )


def tell(issuer: str, **told: Any) -> None:
    requests.post(f"{issuer}/told", json=told, timeout=5).raise_for_status()


def there_and_back(plant: Plant, client: Browser, there: str = "/lots") -> str:
    """The address with which the provider sends the browser back."""
    away = client.get(f"/sign-in/with/{plant.code}/plant?next={there}")
    assert away.status_code == 302
    return requests.get(away.headers["Location"], allow_redirects=False, timeout=5).headers["Location"]


def come_back(client: Browser, address: str):
    return client.get(address.removeprefix("http://127.0.0.1"))


def attempts(plant: Plant) -> list[tuple[str, str]]:
    with reading(plant.company):
        return list(SignIn.objects.filter(purpose="session").order_by("recorded_at").values_list("outcome", "method"))


@pytest.mark.clause("ASVS 6.8.1", "ASVS 10.2.1", "ASVS 10.5.2")
def test_the_provider_opens_an_existing_account_and_then_only_its_subject_counts(plant: Plant, issuer: str) -> None:
    approved(plant, issuer)
    name = f"{plant.code}-quality1"
    tell(issuer, claims={"preferred_username": name})
    client = Browser()
    welcome = come_back(client, there_and_back(plant, client))
    assert (welcome.status_code, 'url=/lots"' in welcome.content.decode()) == (200, True)
    assert client.get("/api/v1/me").json()["username"] == name
    assert attempts(plant) == [("accepted", "provider")]
    # renamed at the provider: still the same subject; the same name with another subject: refused
    tell(issuer, claims={"preferred_username": f"{plant.code}-admin1"})
    client = Browser()
    come_back(client, there_and_back(plant, client))
    assert client.get("/api/v1/me").json()["username"] == name
    tell(issuer, claims={"preferred_username": name, "sub": "s-2"})
    client = Browser()
    assert come_back(client, there_and_back(plant, client)).status_code == 403
    with reading(plant.company):
        assert Identity.objects.get().subject == "s-1"
        assert SECRET not in str(list(AuditEntry.objects.filter(table_name="people_identityprovider").values()))
        assert SECRET not in IdentityProvider.objects.get().secret


@pytest.mark.clause(
    "ASVS 6.8.2", "ASVS 9.1.1", "ASVS 9.1.2", "ASVS 9.2.1", "ASVS 9.2.3", "ASVS 10.5.1", "ASVS 10.5.4", "ASVS 10.2.2"
)
@pytest.mark.parametrize(
    "told",
    [
        {"way": "none"},
        {"way": "HS256"},
        {"way": "other key"},
        {"kid": "k2"},
        {"claims": {"aud": "another client"}},
        {"claims": {"aud": [CLIENT, "another client"]}},
        {"claims": {"azp": "another client"}},
        {"claims": {"iss": "https://another.example"}},
        pytest.param({"claims": {"exp": int(time.time()) - 120}}, id="over"),  # the same name in every process
        {"claims": {"exp": None}},
        {"claims": {"nonce": "another"}},
        {"claims": {"nonce": None}},
        {"claims": {"sub": None}},
        {"claims": {"sub": ""}},
        {"back_iss": "https://another.example"},
    ],
    ids=str,
)
def test_what_cannot_be_believed_opens_nothing(
    plant: Plant, issuer: str, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "company", plant.code)
    approved(plant, issuer)
    name = {"preferred_username": f"{plant.code}-quality1"}
    tell(issuer, **told | {"claims": name | told.get("claims", {})})
    client = Browser()
    answer = come_back(client, there_and_back(plant, client))
    assert (answer.status_code, "PPL-0218" in answer.content.decode()) == (403, True)
    assert client.get("/lots").status_code == 302
    assert attempts(plant) == [("refused", "")]


@pytest.mark.clause("ASVS 10.1.2", "ASVS 10.5.3")
def test_only_the_browser_that_went_comes_back_once_and_to_the_same_provider(plant: Plant, issuer: str) -> None:
    approved(plant, issuer)
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1"})
    client, other = Browser(), Browser()
    back = there_and_back(plant, client)
    assert come_back(Browser(), back).status_code == 403  # a link that somebody was sent
    there_and_back(plant, other)
    assert come_back(other, back).status_code == 403  # the answer of another flow
    assert come_back(client, back).status_code == 200
    assert come_back(client, back).status_code == 403  # once
    client = Browser()
    assert come_back(client, there_and_back(plant, client) + "x").status_code == 403
    client.cookies["baro_provider"] = "forged"
    assert client.get("/sign-in/back?code=x&state=y").status_code == 403
    tell(issuer, discovered="https://another.example")
    assert client.get(f"/sign-in/with/{plant.code}/plant").status_code == 403


def test_no_account_is_made_and_no_disabled_one_opened(plant: Plant, issuer: str) -> None:
    approved(plant, issuer)
    with reading(plant.company):
        before = User.objects.count()
    user = plant.user("analyst1")
    with change(Program("tester", plant.company), "left"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    for name in ("nobody", user.username, "", None, 7, ["x"]):
        tell(issuer, claims={"preferred_username": name, "sub": f"s-{name}"})
        client = Browser()
        assert come_back(client, there_and_back(plant, client)).status_code == 403
    with reading(plant.company):
        assert (User.objects.count(), Identity.objects.count()) == (before, 0)


def test_an_account_of_another_company_is_not_opened(plant: Plant, shown: Plant, issuer: str) -> None:
    approved(plant, issuer)
    tell(issuer, claims={"preferred_username": f"{shown.code}-quality1"})
    client = Browser()
    assert come_back(client, there_and_back(plant, client)).status_code == 403


@pytest.mark.parametrize(("verified", "status"), [(True, 200), (False, 403), ("true", 403), (None, 403)])
def test_an_address_counts_only_when_the_provider_verified_it(
    plant: Plant, issuer: str, verified: object, status: int
) -> None:
    approved(plant, issuer, "email")
    tell(issuer, claims={"email": f"{plant.code}-quality1", "email_verified": verified})
    client = Browser()
    assert come_back(client, there_and_back(plant, client)).status_code == status


def test_people_are_linked_by_hand_and_providers_are_approved_by_administrators(plant: Plant, issuer: str) -> None:
    provider = approved(plant, issuer, "")
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1"})
    client = Browser()
    assert come_back(client, there_and_back(plant, client)).status_code == 403
    head, kind = plant.user("quality1"), RightsChange.Kind.LINK
    link = {"provider": provider, "subject": "s-1"}
    with pytest.raises(NotPermitted):
        request_change(head, plant.user("science1"), kind, "me", **link)
    with pytest.raises(SameHand):
        request_change(plant.user("admin1"), plant.user("admin1"), kind, "myself", **link)
    for nobody in ({"subject": " "}, {"provider": None}):
        with pytest.raises(ProviderUnknown):
            request_change(plant.user("admin1"), head, kind, "identity checked", **(link | nobody))
    wanted = request_change(plant.user("admin1"), head, kind, "identity checked", **link)
    assert come_back(client, there_and_back(plant, client)).status_code == 403, "asking opens nothing"
    with reading(plant.company):
        seen = change_hash(RightsChange.objects.select_related("user").get(id=wanted.id))
    told = {"approve": True, "reason": "checked", "seen_hash": seen}
    with pytest.raises(SameHand):
        decide_change(plant.user("admin1"), plant.password, wanted.id, **told)
    decide_change(plant.user("admin2"), plant.password, wanted.id, **told)
    assert come_back(client, there_and_back(plant, client)).status_code == 200
    with pytest.raises(NothingToChange):
        request_change(plant.user("admin1"), plant.user("science1"), kind, "the same subject", **link)
    with reading(plant.company):
        identity = Identity.objects.get()
        assert check(Signature.objects.get(record_type="people.RightsChange")) is Finding.VALID
    with pytest.raises(NotPermitted):
        providers.end_link(head, identity.id, "mine")
    providers.end_link(plant.user("admin1"), identity.id, "left the plant")
    assert come_back(client, there_and_back(plant, client)).status_code == 403
    providers.end_provider(plant.user("admin1"), provider.id, "contract ended")
    assert client.get(f"/sign-in/with/{plant.code}/plant").status_code == 404
    told = {"code": "x", "name_ko": "x", "name_en": "x", "client_id": "x", "secret": "", "claim": "", "reason": "x"}
    for unsafe in ("http://idp.example", "ftp://127.0.0.1", "https://", "file:///etc/passwd"):
        with pytest.raises(ProviderRefused):
            providers.request_provider(plant.user("admin1"), issuer=unsafe, **told)
    with pytest.raises(ProviderInvalid):
        providers.request_provider(plant.user("admin1"), issuer="https://idp.example", **(told | {"code": "A b"}))


@pytest.mark.clause("ASVS 15.3.2")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_a_provider_is_asked_where_it_was_approved_and_nowhere_else(plant: Plant, issuer: str, path: str) -> None:
    """The address that the answer points to would give the same; it is not followed."""
    approved(plant, issuer)
    client = Browser()
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1"})
    back = there_and_back(plant, client)
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1"}, moved=[path])
    assert requests.get(f"{issuer}{path}", timeout=5).status_code == 200, "the way there is open"
    assert come_back(client, back).status_code == 403
    assert client.get("/lots").status_code == 302


@pytest.mark.clause("ASVS 10.1.1")
def test_what_the_provider_gives_stays_on_the_server(plant: Plant, issuer: str, database: str) -> None:
    approved(plant, issuer)
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1", "mark": "of-this-token"})
    client = Browser()
    welcome = come_back(client, there_and_back(plant, client))
    assert welcome.status_code == 200
    told = [
        welcome.content.decode(),
        str(welcome.headers),
        *(cookie.OutputString() for cookie in client.cookies.values()),
    ]
    told.append(json.dumps(dict(client.session.items())))
    told.append(client.get("/account").content.decode())
    # a token of the provider begins like this: {"alg": in base64
    assert not [text for text in told if "eyJhbGci" in text or "of-this-token" in text]


@pytest.mark.clause("ASVS 7.6.1")
def test_a_session_that_a_provider_began_ends_by_our_limits(plant: Plant, issuer: str) -> None:
    approved(plant, issuer)
    tell(issuer, claims={"preferred_username": f"{plant.code}-quality1"})
    client = Browser()
    come_back(client, there_and_back(plant, client))
    assert client.get("/lots").status_code == 200
    with change(Program("tester", plant.company), "time passes"):
        session = WebSession.objects.get(user=plant.user("quality1"), ended_at=None)
        session.started_at -= timedelta(hours=13)
        session.save()
    assert client.get("/lots").status_code == 302, "however fresh the provider's own session is"
    with reading(plant.company):
        assert WebSession.objects.get(id=session.id).end == WebSession.End.AGE


@pytest.mark.clause("Part 11 11.10(g)", "Annex 11 12.1", "Part 11 11.50")
def test_a_provider_is_trusted_by_two_people_and_by_nobody_before(plant: Plant, issuer: str) -> None:
    wanted = asked(plant, issuer)
    client = Browser()
    assert client.get(f"/sign-in/with/{plant.code}/plant").status_code == 404
    for alone, refusal in (("admin1", SameHand), ("operator1", NotPermitted)):
        with pytest.raises(refusal):
            trust(plant, alone, wanted)
    other = asked(plant, issuer, "")
    with pytest.raises(RecordChanged), reading(plant.company):
        providers.approve_provider(plant.user("admin2"), plant.password, wanted.id, reason="x", seen_hash="0" * 64)
    trust(plant, "quality1", wanted)
    assert client.get(f"/sign-in/with/{plant.code}/plant").status_code == 302
    with pytest.raises(ChangeDecided):
        trust(plant, "admin2", wanted)
    # the next one of the same code takes its place
    trust(plant, "admin2", other)
    with reading(plant.company):
        assert [one.id for one in providers.providers_in_force()] == [other.id]
        signed = Signature.objects.filter(record_type="people.IdentityProvider")
        assert {check(one) for one in signed} == {Finding.VALID}
        assert signed.count() == 2
    with psycopg.connect(os.environ["BARO_DATABASE_URL"]) as raw, pytest.raises(psycopg.errors.CheckViolation):
        raw.execute("UPDATE people_identityprovider SET approved_by_id = requested_by_id WHERE id = %s", [other.id])


def test_providers_and_links_have_their_page(plant: Plant, issuer: str) -> None:
    admin, second, analyst = (Browser() for _ in range(3))
    for client, name in ((admin, "admin1"), (second, "admin2"), (analyst, "analyst1")):
        client.post("/sign-in", {"username": f"{plant.code}-{name}", "password": plant.password})
    assert analyst.get("/people/providers").status_code == 403
    hx = {"HX-Request": "true"}
    form = {"code": "plant", "name_ko": "공장 계정", "name_en": "Plant account", "issuer": issuer, "client_id": CLIENT}
    form |= {"secret": SECRET, "claim": "", "reason": "approved by IT"}
    assert analyst.post("/people/providers/new", form, headers=hx).status_code == 403
    refused = admin.post("/people/providers/new", form | {"code": ""}, headers=hx)
    assert (refused.status_code, "PPL-0219" in refused.content.decode()) == (400, True)
    assert SECRET not in refused.content.decode()
    assert admin.post("/people/providers/new", form, headers=hx).status_code == 204
    page = admin.get("/people/providers").content.decode()
    assert 'data-testid="approve-provider"' not in page
    there = re.search(
        r'hx-get="(/people/providers/[0-9a-f-]+/approve)"', second.get("/people/providers").content.decode()
    )[1]
    nonce = re.search(r'name="nonce" value="([^"]*)"', second.get(there, headers=hx).content.decode())[1]
    told = {"nonce": nonce, "name": f"{plant.code}-admin2", "password": plant.password, "reason": "ok", "accepted": "1"}
    assert second.post(there, told, headers=hx).status_code == 204
    head = plant.user("quality1")
    with reading(plant.company):
        provider = providers.providers_in_force().get()
    assert 'data-testid="ask-link"' in admin.get(f"/people/{head.id}").content.decode()
    ask = {"provider": str(provider.id), "subject": "s-77", "reason": "identity checked"}
    assert admin.get(f"/people/{head.id}/request/link", headers=hx).status_code == 200
    assert admin.post(f"/people/{head.id}/request/link", ask, headers=hx).status_code == 204
    assert "공장 계정, s-77" in second.get("/people").content.decode()
    ending = f"/people/providers/end/provider/{provider.id}"
    assert analyst.post(ending, {"reason": "x"}, headers=hx).status_code == 403
    assert admin.get(ending, headers=hx).status_code == 200
    assert admin.post(ending, {"reason": ""}, headers=hx).status_code == 400
    assert admin.post(ending, {"reason": "contract ended"}, headers=hx).status_code == 204
    assert admin.get(f"/people/providers/end/nonsense/{provider.id}", headers=hx).status_code == 404
    assert 'data-testid="ask-link"' not in admin.get(f"/people/{head.id}").content.decode()


def test_the_sign_in_page_offers_the_providers_of_the_installation(
    plant: Plant, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "company", plant.code)
    assert "provider-plant" not in Browser().get("/sign-in").content.decode()
    approved(plant, issuer)
    assert 'data-testid="provider-plant"' in Browser().get("/sign-in").content.decode()
