"""Connecting a server from the pages, against node-opcua: refused, trusted, looked at, tried, recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.http import HttpResponse

from baro.apps.ledger.services import reading
from baro.apps.plant.models import Connection, ConnectionState, Equipment, Tag, TrustedCertificate
from baro.commands.gateway import Book
from baro.config import config
from baro.database.roles import Role, conninfo
from baro.edge import trust
from baro.edge.collector import Connection as Wanted
from baro.edge.collector import ConnectionState as State
from baro.edge.gateway import Health
from baro.edge.marks import Waiting, Watermark
from baro.edge.trust import Certificate
from tests.node_opcua import NodeServer
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn

REASON = "new hardness tester of room 12"


@pytest.fixture(scope="module")
def tester(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(tmp_path_factory.mktemp("node"), anonymous=False)
    server.start()
    yield server
    server.stop()


def form_of(page: HttpResponse) -> dict[str, str]:
    """What a browser would send back of the page's form, with nothing ticked."""
    text = page.content.decode()
    return dict(re.findall(r'<input[^>]* name="([\w-]+)"[^>]* value="([^"]*)"', text))


def picked(text: str, names: list[str]) -> list[str]:
    """The numbers of the nodes with these names."""
    return [
        re.search(rf'data-testid="node-tester-7-{name}".*?name="pick" value="(\d+)"', text, re.S)[1] for name in names
    ]


@pytest.mark.peer
@pytest.mark.clause("Part 11 11.10(d)", "Part 11 11.10(e)", "Annex 11 12.1")
def test_a_server_that_nobody_configured_is_connected_step_by_step(
    tester: NodeServer, plant: Plant, signed_in: SignIn
) -> None:
    browser: Browser = signed_in("admin1", plant)
    assert browser.get("/connections/new").status_code == 200
    asked = {"url": tester.url, "security": "best", "mode": "SignAndEncrypt", "user": "op1", "typed": "wrong"}

    page = browser.post("/connections/new/offer", asked)
    thumbprint = Certificate.read(tester.der).thumbprint
    assert thumbprint in page.content.decode()
    assert 'data-testid="trust"' in page.content.decode()
    told = form_of(page)
    without = browser.post("/connections/new/offer", told | {"reason": " "})
    assert without.status_code == 400
    assert thumbprint in without.content.decode(), "it can be answered again"
    with reading(plant.company):
        assert not TrustedCertificate.objects.exists()

    page = browser.post("/connections/new/offer", told | {"reason": "compared at the tester's screen"})
    assert 'data-testid="refusal"' in page.content.decode(), "the password is wrong"
    assert 'data-testid="trust"' not in page.content.decode()
    page = browser.post("/connections/new/offer", asked | {"typed": "secret"})
    text = page.content.decode()
    assert 'data-testid="offer-tree"' in text
    assert "Hardness" in text
    assert "secret" not in re.sub(r"/secrets?/", "", text).replace("trust", "")

    told = form_of(page) | {"pick": picked(text, ["Hardness", "State", "LotId"])}
    values = browser.post("/connections/new/values", told)
    assert values.content.decode().count("hx-swap-oob") == 5
    trial = browser.post("/connections/new/trial", told).content.decode()
    assert re.search(r"Hardness</td><td class=\"num right\">1</td><td[^>]*>120 N", trial), trial

    with reading(plant.company):
        press = Equipment.objects.get(code="press-1")
    told |= {"code": "tester-7", "name_ko": "경도계 7호", "name_en": "Hardness tester 7", "equipment": str(press.id)}
    assert browser.post("/connections/new/record", told).status_code == 400
    assert browser.post("/connections/new/record", told | {"pick": [], "reason": REASON}).status_code == 400
    done = browser.post("/connections/new/record", told | {"reason": REASON})
    assert (done.status_code, done.headers["HX-Redirect"]) == (204, "/connections")
    with reading(plant.company):
        made = Connection.objects.get(code="tester-7")
        tag = Tag.objects.get(source="tester-7")
    assert [one["tag"] for one in made.settings["nodes"]] == ["Hardness", "State"]
    assert made.settings["lots"] == {"tester-7": "nsu=urn:tester:7;s=LotId"}
    assert made.settings["user"] == "op1"
    assert (tag.name, tag.unit, tag.normal_low, tag.normal_high, tag.equipment_id) == (
        "Hardness",
        "N",
        0.0,
        400.0,
        press.id,
    )
    page = browser.get("/connections").content.decode()
    assert 'data-testid="connection-tester-7"' in page
    assert thumbprint in page


@pytest.mark.parametrize(
    ("url", "words"),
    [("opc.tcp://127.0.0.1:1", "refusal"), ("gopher://x", "refusal"), ("", "refusal"), ("opc.tcp://[", "refusal")],
)
def test_an_address_that_leads_nowhere_is_told(plant: Plant, signed_in: SignIn, url: str, words: str) -> None:
    page = signed_in("admin1", plant).post("/connections/new/offer", {"url": url})
    assert page.status_code == 200
    assert f'data-testid="{words}"' in page.content.decode()


@pytest.mark.clause("Part 11 11.10(d)")
def test_no_connection_reads_the_files_of_baro_itself(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("admin1", plant)
    for folder in (config().home, config().home / "secrets", config().home.parent):
        page = browser.post("/connections/new/offer", {"url": f"file://{folder}/"})
        assert page.status_code == 400
        told = {"code": "x", "driver": "files", "reason": "try", "settings": json.dumps({"url": f"file://{folder}"})}
        assert browser.post("/connections/add", told).status_code == 400
    told["settings"] = json.dumps({"url": "file:///srv/drop", "memory": str(config().home / "secret_key")})
    assert browser.post("/connections/add", told).status_code == 400


def test_settings_are_entered_by_hand_where_a_device_tells_nothing(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("admin1", plant)
    page = browser.post("/connections/new/offer", {"url": "s7://127.0.0.1:1"}).content.decode()
    assert 'data-testid="refusal"' in page
    assert browser.get("/connections/add").status_code == 200
    told = {"code": "tester-9", "driver": "opcua", "settings": '{"url": "opc.tcp://127.0.0.1:1"}'}
    assert browser.post("/connections/add", told).status_code == 400
    assert browser.post("/connections/add", told | {"reason": "new", "settings": "{"}).status_code == 400
    assert browser.post("/connections/add", told | {"reason": "new"}).status_code == 204
    with reading(plant.company):
        made = Connection.objects.get(code="tester-9")
    told |= {"name_ko": "경도계", "reason": "named"}
    assert browser.post(f"/connections/{made.id}/edit", told).status_code == 204
    with reading(plant.company):
        assert Connection.objects.get(code="tester-9").name_ko == "경도계"


def test_a_secret_of_another_company_is_not_used(plant: Plant, signed_in: SignIn) -> None:
    form = {"url": "opc.tcp://127.0.0.1:1", "user": "op1", "kept": "opcua-application-key.pem"}
    page = signed_in("admin1", plant).post("/connections/new/offer", form)
    assert page.status_code == 400
    assert "PLT-0020" in page.content.decode()


@pytest.mark.clause("Part 11 11.10(g)")
def test_only_who_manages_connections_looks_at_servers(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("operator1", plant)
    assert browser.get("/connections").status_code == 200
    for address in ("new", "own-certificate"):
        assert browser.get(f"/connections/{address}").status_code == 403
    for address in ("offer", "values", "trial", "record"):
        assert browser.post(f"/connections/new/{address}", {"url": "opc.tcp://127.0.0.1:1"}).status_code == 403


def test_the_page_shows_how_each_connection_is(plant: Plant, signed_in: SignIn, tmp_path: Path) -> None:
    browser = signed_in("admin1", plant)
    assert "demo-plant" in browser.get("/connections").content.decode()
    with reading(plant.company):
        record = Connection.objects.get(code="demo-plant")
    notes = Book(conninfo(config().database_url, Role.APP), plant.code, tmp_path / "copy.json")
    wanted = Wanted(str(record.id), record.code, record.driver, record.settings)
    own = trust.own().certificate
    with pytest.raises(Exception, match="not trusted") as refused:
        trust.TrustStore(tmp_path).check(own.der, own.application_uri)
    now = datetime.now(UTC)
    health = Health(observations=5, rate=12.5, spool_depth=1234, linked={"nir-1": True, "press-1": False})
    health.collected = {"nir-1": Watermark(0, 98765, now)}
    health.delivered = {"nir-1": Watermark(0, 87654, now - timedelta(seconds=90))}
    health.waiting = {"nir-1": Waiting(50, 11111, 3 * 1024 * 1024)}
    health.backlog, health.replayed = 40, 0.75
    notes.tell(plant.company, [State(wanted, health, "", None, own.valid_until)])
    page = browser.get("/connections/now").content.decode()
    assert "1,234" in page
    assert 'data-testid="source-press-1"' in page
    row = page[page.index('data-testid="marks-nir-1"') :].split("</tr>")[0]
    assert "98,765" in row
    assert "87,654" in row
    assert "11,111" in row
    assert "90.0 s" in row
    replay = page[page.index('data-testid="replay"') :].split("</div>")[0]
    assert 'value="75"' in replay
    assert 'class="gapstrip"' in page
    notes.tell(plant.company, [State(wanted, health, "", refused.value, own.valid_until)])
    page = browser.get("/connections/now").content.decode()
    assert 'data-testid="refusal"' in page
    assert own.thumbprint in page
    # a gateway that has started and not told yet does not wipe out what the one before told
    notes.tell(plant.company, [State(wanted, Health(), "", None, own.valid_until)])
    with reading(plant.company):
        kept = ConnectionState.objects.get(connection=record)
    assert (kept.marks["nir-1"]["delivered"][1], kept.backlog) == (87654, 0)
    notes.close()

    assert browser.get(f"/connections/{record.id}/switch").status_code == 200
    assert browser.post(f"/connections/{record.id}/switch", {"enabled": "no", "reason": ""}).status_code == 400
    assert browser.post(f"/connections/{record.id}/switch", {"enabled": "no", "reason": "repair"}).status_code == 204
    with reading(plant.company):
        assert not Connection.objects.get(code="demo-plant").enabled
