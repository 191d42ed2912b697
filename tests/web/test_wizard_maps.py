"""The map editor without a browser: what is refused, in both languages, and by whom; and `baro connect`."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from bacpypes3.pdu import Address
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import translation
from snap7.server import Server
from snap7.type import SrvArea

from baro.apps.ledger.services import reading
from baro.apps.plant.connections.problems import PROBLEMS, sentences
from baro.apps.plant.models import Connection, Equipment, Tag
from baro.commands.connect import connect
from baro.config import config
from baro.edge.drivers.bacnet import offer as bacnet
from baro.edge.errors import Problem
from baro.edge.maps import REASONS
from tests.bacnet_device import THEIRS, free_udp_port, furnish, own_address
from tests.node import NodeProgram
from tests.plant import Plant
from tests.ports import free_port
from tests.web.conftest import SignIn

AWAY = {"url": "modbus://127.0.0.1:1", "device": "1", "numbering": "0"}


@pytest.fixture(scope="module")
def dryer() -> Iterator[int]:
    port = free_port()
    with NodeProgram("modbus.js", str(port)) as program:
        program.expect("ready")
        for start, values in ((0, [65536 - 215]), (100, list(struct.unpack(">2H", struct.pack(">f", 61.5))))):
            program.tell(do="set", table="holding", address=start, values=values)
            program.expect("set")
        program.tell(do="mute", device=5, mute=True)
        yield port


def row(key: str, **cells: str) -> dict[str, str]:
    return {f"{name}-{key}": text for name, text in cells.items()}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_problem_has_its_words(language: str) -> None:
    assert set(PROBLEMS) == set(REASONS)
    with translation.override(language):
        for reason in REASONS:
            told = sentences([Problem(3, "address", reason, "9", "7")])
            assert told.startswith("3행: " if language == "ko" else "line 3: ")
            assert bool(re.search("[가-힣]", told)) == (language == "ko")
        assert sentences([Problem(0, "", "empty")] * 9).count(";") == 8


@pytest.mark.peer
def test_a_map_is_seen_tried_and_recorded_with_its_normal_range(dryer: int, plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("admin1", plant)
    asked = AWAY | {"url": f"modbus://127.0.0.1:{dryer}", "numbering": "4xxxx"}
    page = browser.post("/connections/new/offer", asked).content.decode()
    assert 'data-testid="map"' in page
    form = asked | {"row": ["a", "b"], "source": "dryer-2", "code": "dryer-2", "name_ko": "건조기", "reason": "new"}
    form |= row("a", tag="inlet", address="40001", type="int16", scale="0.1", unit="Cel", low="-30", high="80")
    form |= row("b", tag="flow", address="40101", type="float32")
    seen = browser.post("/connections/new/map/values", form).content.decode()
    assert "-21.5 Cel" in seen
    assert "100 = 400101" in seen
    assert "float32" in browser.post("/connections/new/map/words/b", form).content.decode()
    added = browser.post("/connections/new/map/row", form).content.decode()
    assert re.search(r'<option selected>|value="float32"', added), "a new row is of the same kind"
    file = browser.post("/connections/new/map/save", form)
    assert file.headers["Content-Disposition"].endswith('-map.csv"')
    upload = SimpleUploadedFile("map.csv", file.content)
    assert 'value="40101"' in browser.post("/connections/new/map/load", asked | {"file": upload}).content.decode()
    assert "61.5" in browser.post("/connections/new/trial", form).content.decode()
    with reading(plant.company):
        press = Equipment.objects.get(code="press-1")
    wrong = browser.post("/connections/new/record", form | row("b", tag="inlet", address="40001"))
    assert (wrong.status_code, "PLT-0024" in wrong.content.decode()) == (400, True)
    assert browser.post("/connections/new/record", form | {"equipment": str(press.id)}).status_code == 204
    with reading(plant.company):
        made, tag = Connection.objects.get(code="dryer-2"), Tag.objects.get(source="dryer-2")
    assert [one["address"] for one in made.settings["registers"]] == [1, 101]
    assert (tag.name, tag.unit, tag.normal_low, tag.normal_high) == ("inlet", "Cel", -30.0, 80.0)


def test_a_device_that_is_away_or_silent_is_told(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("admin1", plant)
    page = browser.post("/connections/new/offer", AWAY).content.decode()
    assert "이 주소에서 응답이 없습니다" in page
    form = AWAY | {"row": ["a"]} | row("a", tag="inlet", address="1")
    for address in ("values", "words/a"):
        assert 'data-testid="refusal"' in browser.post(f"/connections/new/map/{address}", form).content.decode()
    for wrong in ({"device": "x"}, {"numbering": "2"}):
        answer = browser.post("/connections/new/map/values", form | wrong)
        assert (answer.status_code, 'data-testid="refusal"' in answer.content.decode()) == (200, True)
    assert browser.post("/connections/new/record", form | {"url": "gopher://x", "reason": "x"}).status_code == 400
    for url in ("gopher://x", "opc.tcp://x", "", "modbus://["):
        for address in ("values", "row", "load", "save"):
            answer = browser.post(f"/connections/new/map/{address}", form | {"url": url})
            assert answer.status_code in (200, 400), "nothing that has no map ends in a failure"
        assert browser.post("/connections/new/map/words/a", form | {"url": url}).status_code in (200, 400)
    for kind in ("modbus", "s7", "bacnet", "opc.tcp"):
        page = browser.get("/connections/new/fields", {"url": f"{kind}://x"}).content.decode()
        shown = re.search(r'name="shown" value="(\w+)"', page)
        assert shown is not None
        again = browser.get("/connections/new/fields", {"url": f"{kind}://xy", "shown": shown[1]})
        assert again.status_code == 204, "what is typed meanwhile stays"


def test_a_file_that_is_no_map_is_refused_with_its_line(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("admin1", plant)
    upload = SimpleUploadedFile("map.csv", b"tag,address\na,1\nb,2,3\n")
    answer = browser.post("/connections/new/map/load", AWAY | {"file": upload})
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (400, "#map-told")
    assert "3행" in answer.content.decode()
    assert browser.post("/connections/new/map/load", AWAY).status_code == 400


@pytest.mark.clause("Part 11 11.10(g)")
def test_only_who_manages_connections_types_a_map(plant: Plant, signed_in: SignIn) -> None:
    browser = signed_in("operator1", plant)
    for address in ("values", "row", "load", "save", "words/a"):
        assert browser.post(f"/connections/new/map/{address}", AWAY).status_code == 403
    assert browser.get("/connections/new/fields").status_code == 403


# --- baro connect


@pytest.fixture
def at(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    """The command line of this plant, in English."""
    monkeypatch.setenv("BARO_COMPANY", plant.code)
    config.cache_clear()
    with translation.override("en"):
        yield plant
    config.cache_clear()


@pytest.mark.peer
def test_the_command_line_shows_proposes_and_records(
    dryer: int, at: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url, file = f"modbus://127.0.0.1:{dryer}", tmp_path / "map.csv"
    connect(url)
    told = capsys.readouterr().out
    assert "modbus-serial" in told, "the peer's own name, by function 43/14"
    assert "tag,device,table,address" in told
    file.write_text("tag,address,type,unit\ninlet,1,int16,Cel\ngone,5000,uint16,\n")
    connect(url, set_=("numbering=1",), map_=file)
    told = capsys.readouterr().out
    assert re.search(r"inlet +0 = 400001 +int16 +-215 Cel", told)
    assert "no such address" in told
    proposed = json.loads(next(line for line in told.splitlines() if line.startswith("{")))
    assert [one["address"] for one in proposed["registers"]] == [1, 5000]
    file.write_text("tag,address,type\ninlet,1,int16\n")
    connect(url, set_=("numbering=1",), map_=file, name="dryer-3")
    assert "test: 1 of 1 gave values" in capsys.readouterr().out
    with reading(at.company):
        assert Connection.objects.get(code="dryer-3").settings["source"] == "dryer-3"


@pytest.mark.peer
@pytest.mark.parametrize(
    ("more", "text", "status", "words"),
    [
        (("device=5", "timeout_s=0.3"), "", 1, "nothing answers under this number"),
        (("device=300",), "", 1, "device: Input should be less than or equal to 255"),
        ((), "tag,unit\na,b\n", 2, "line 1: the column Address (address) is missing"),
        ((), "tag,address\na,x\n", 2, "line 2: x is not written as an address"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    dryer: int,
    at: Plant,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    text: str,
    status: int,
    words: str,
) -> None:
    file = tmp_path / "map.csv"
    file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        connect(f"modbus://127.0.0.1:{dryer}", set_=more, map_=file if text else None)
    assert ended.value.code == status
    assert words in capsys.readouterr().out


@pytest.mark.peer
def test_the_command_line_knows_the_blocks_of_an_s7(
    at: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server, port, file = Server(log=False), free_port(), tmp_path / "symbols.csv"
    server.register_area(SrvArea.DB, 10, bytearray(struct.pack(">ff", 1.5, 2.5)))
    server.start_to("127.0.0.1", port)
    try:
        file.write_text('"Name","Data Type","Logical Address"\n"Speed","Real","%DB10.DBD4"\n')
        connect(f"s7://127.0.0.1:{port}", map_=file, name="granulator-2")
        told = capsys.readouterr().out
        assert re.search(r"DB10 +8 B", told)
        assert re.search(r"Speed +DB10: 4 … 7 +Real +2.5", told)
        assert "test: 1 of 1 gave values" in told
        file.write_text("tag,address,type\na,DB10.DBD8,REAL\nb,DB11.DBD0,REAL\n")
        with pytest.raises(SystemExit):
            connect(f"s7://127.0.0.1:{port}", map_=file)
        told = capsys.readouterr().out
        assert "line 2: DB10.DBD8 lies outside of its block, which has 8 bytes; line 3: the CPU has no DB11" in told
    finally:
        server.stop()
        server.destroy()


@pytest.mark.peer
def test_devices_and_objects_of_bacnet(
    at: Plant, signed_in: SignIn, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_udp_port(THEIRS)
    with NodeProgram("bacnet.js", THEIRS, str(port)) as program:
        program.expect("ready")
        furnish(program)
        connect(f"bacnet://{THEIRS}:{port}", set_=("timeout_s=0.5", f"local={own_address()}"), name="ahu-2")
        told = capsys.readouterr().out
        assert "Supply air – Room 101  21.5 Cel" in told
        assert "no-sensor  ! out of service" in told
        assert "test: 3 of 3 gave values" in told
        # a loopback carries no broadcast, so that Who-Is goes where the device is
        monkeypatch.setattr(bacnet, "LocalBroadcast", lambda: Address(f"{THEIRS}:{port}"))
        asked = {"url": "bacnet://*", "local": own_address(), "lowest": "4000"}
        page = signed_in("admin1", at).post("/connections/new/offer", asked).content.decode()
        assert 'data-testid="devices"' in page
        assert f'value="bacnet://{THEIRS}:{port}"' in page
        assert "Airworks" in page
        page = signed_in("admin1", at).post("/connections/new/offer", asked | {"highest": "4710"}).content.decode()
        assert 'data-testid="refusal"' in page
