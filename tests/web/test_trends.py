"""Trends by the public door: which series there are, and what is drawn of them."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.plant.trends import exports
from baro.edge.blocks import Block, Gap, GapReason, Kind, samples_batch
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
UNCERTAIN, BAD = 0x40900000, 0x80050000


def store(
    plant: Plant,
    source: str,
    tag: str,
    values: list[Any],
    *,
    start: datetime = START,
    step: timedelta = timedelta(seconds=1),
    quality: dict[int, int] | None = None,
    lot: str = "",
) -> None:
    """Samples of one tag, `step` apart, in one block."""
    n, first = len(values), plant.next_seq.get(source, 1)
    plant.next_seq[source] = first + n
    codes = [(quality or {}).get(i, 0) for i in range(n)]
    batch = samples_batch(range(first, first + n), [start + step * i for i in range(n)], codes, [tag] * n, values)
    block = Block(source, Kind.SAMPLES, 0, lot, "", batch)
    plant.sink.write_block(block, block.digests(), block.to_bytes())


def curves(client: Browser, *tags: str, start: datetime = START, seconds: float = 60, **more: Any) -> dict[str, Any]:
    end = start + timedelta(seconds=seconds)
    asked = urlencode({"tag": tags, "start": start.isoformat(), "end": end.isoformat(), **more}, doseq=True)
    answer = client.get(f"/api/v1/trends/curves?{asked}")
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture
def client(plant: Plant, signed_in: SignIn) -> Browser:
    return signed_in("operator1", at=plant)


def test_tags_that_the_plant_named_and_others_are_found_by_their_words(plant: Plant, client: Browser) -> None:
    store(plant, "plc 7/line", "Temp.PV", [20.0, 21.0])
    found = client.get("/api/v1/trends/series?search=압축력").json()
    assert [(one["tag"], one["unit"], one["low"], one["last"]) for one in found["series"]] == [
        ("CompressionForce", "kN", 13.0, None)
    ]
    other = client.get("/api/v1/trends/series?search=PLC temp").json()["series"]
    assert [(one["ref"], one["title"], one["unit"]) for one in other] == [("plc%207%2Fline/Temp.PV", "Temp.PV", "")]
    # what comes later is found without starting again
    store(plant, "plc 7/line", "Level", [1.0])
    assert client.get("/api/v1/trends/series?search=level").json()["total"] == 1
    assert curves(client, other[0]["ref"])["curves"][0]["value"] == [20.0, 21.0]


def test_few_samples_are_shown_as_stored_with_their_quality(plant: Plant, client: Browser) -> None:
    store(plant, "s", "t", [1.0, 2.0, 3.0, 4.0], quality={1: UNCERTAIN, 2: BAD})
    (curve,) = curves(client, "s/t", seconds=3)["curves"]
    assert (curve["step_ms"], curve["reduced"]) == (None, 1)
    assert curve["value"] == [1.0, 2.0, 3.0]
    assert curve["quality"] == [0, UNCERTAIN, BAD]
    assert curve["time"] == [START.timestamp() * 1000 + 1000 * i for i in range(3)]


def test_of_many_samples_every_peak_stays(plant: Plant, client: Browser) -> None:
    values = [10.0 + (i % 7) / 10 for i in range(6000)]
    values[4321] = 99.0
    store(plant, "s", "t", values, quality={100: BAD})
    (curve,) = curves(client, "s/t", seconds=6000, points=100)["curves"]
    assert curve["step_ms"] >= 60_000
    assert len(curve["time"]) <= 100
    assert (max(curve["high"]), min(curve["low"])) == (99.0, 10.0)
    assert curve["samples"] == 5999
    assert curve["reduced"] == pytest.approx(5999 / (2 * len(curve["time"])), abs=1)
    assert max(curve["quality"]) == BAD
    # zoomed to a second, the samples themselves
    (near,) = curves(client, "s/t", start=START + timedelta(seconds=4320.5), seconds=1)["curves"]
    assert (near["value"], near["step_ms"]) == ([99.0], None)


def test_texts_are_stretches_of_time(plant: Plant, client: Browser) -> None:
    store(plant, "s", "phase", ["mix", "mix", "dry", "dry", "dry"], step=timedelta(seconds=10))
    shown = curves(client, "s/phase", start=START + timedelta(seconds=5), seconds=30)
    (line,) = shown["timelines"]
    zero = START.timestamp() * 1000
    assert (line["text"], line["start"], line["end"]) == (
        ["mix", "dry"],
        [zero + 5000, zero + 20_000],
        [zero + 20_000, zero + 35_000],
    )


def test_gaps_are_told(plant: Plant, client: Browser) -> None:
    store(plant, "s", "t", [1.0, 2.0])
    plant.sink.write_gap(
        Gap("s", 0, 3, 7, "", START + timedelta(seconds=2), START + timedelta(seconds=9), GapReason.CONNECTION_LOST)
    )
    (gap,) = curves(client, "s/t")["gaps"]
    assert (gap["reason"], gap["missing"], gap["end"] - gap["start"]) == ("connection_lost", 5, 7000)
    assert curves(client, "s/t", start=START + timedelta(seconds=20))["gaps"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"tag": "no-slash"},
        {"tag": "s/t", "end": "2026-03-02T08:00:00Z"},
        {"tag": "s/t", "end": "2099-01-01T00:00:00Z"},
        {"tag": [f"s/{i}" for i in range(21)]},
    ],
)
def test_what_cannot_be_drawn_is_refused(shown: Plant, signed_in: SignIn, wrong: dict[str, Any]) -> None:
    asked = {"start": START.isoformat(), "end": (START + timedelta(hours=1)).isoformat()} | wrong
    answer = signed_in("operator1").get(f"/api/v1/trends/curves?{urlencode(asked, doseq=True)}")
    assert answer.status_code in (400, 422)
    assert answer.json()["code"] in ("PLT-0030", "WEB-0422")


def test_another_company_sees_no_curve(plant: Plant, client: Browser, shown: Plant, signed_in: SignIn) -> None:
    store(plant, "only here", "t", [1.0])
    stranger = signed_in("operator1")
    assert stranger.get("/api/v1/trends/series?search=only here").json()["series"] == []
    assert curves(stranger, "only%20here/t")["curves"][0]["time"] == []
    assert curves(client, "only%20here/t")["curves"][0]["time"] != []


def test_people_write_on_trends_and_correct_only_their_own(plant: Plant, client: Browser, signed_in: SignIn) -> None:
    note = {"text": "filter changed", "source": "s", "tag": "t", "start": START.isoformat()}
    made = client.post("/api/v1/trends/annotations", note, "application/json")
    assert made.status_code == 201, made.content
    (seen,) = curves(client, "s/t")["annotations"]
    assert (seen["text"], seen["mine"], seen["end"]) == ("filter changed", True, None)
    address = f"/api/v1/trends/annotations/{seen['id']}"
    other = signed_in("quality1", at=plant)
    (theirs,) = curves(other, "s/t")["annotations"]
    assert theirs["mine"] is False
    change = {"text": "filter F2 changed", "reason": "which one"}
    assert other.patch(address, change, "application/json").json()["code"] == "PLT-0034"
    assert client.patch(address, change, "application/json").json()["text"] == "filter F2 changed"
    assert client.delete(f"{address}?reason=wrong+machine").status_code == 204
    assert curves(client, "s/t")["annotations"] == []
    with reading(plant.company):
        trail = AuditEntry.objects.filter(table_name="plant_annotation").order_by("id")
        assert list(trail.values_list("reason", flat=True)) == ["annotated on the trend", "which one", "wrong machine"]
    admin = signed_in("admin1", at=plant)
    assert admin.post("/api/v1/trends/annotations", note, "application/json").status_code == 403


@pytest.mark.parametrize("form", ["csv", "parquet", "arrow"])
def test_what_is_seen_leaves_as_a_file_with_every_sample(
    plant: Plant, client: Browser, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "SLICE_ROWS", 40)
    store(plant, "s", "t", [float(i) for i in range(200)], quality={5: BAD})
    store(plant, "s", "text", ["=1+1", "ok"])
    asked = {"tag": ["s/t", "s/text"], "start": START.isoformat(), "form": form}
    asked["end"] = (START + timedelta(seconds=150)).isoformat()
    answer = client.get(f"/api/v1/trends/samples?{urlencode(asked, doseq=True)}")
    body = b"".join(answer.streaming_content)
    assert f".{exports.SUFFIXES[exports.Form(form)]}" in answer["Content-Disposition"]
    if form == "csv":
        lines = body.decode("utf-8-sig").splitlines()
        assert lines[0].replace('"', "") == "time,source,tag,value,text,array,quality"
        assert len(lines) == 1 + 152
        assert '"2026-03-02T18:00:00.000000+09:00"' in lines[1]
        assert sum("'=1+1" in line for line in lines) == 1
        return
    table = pq.read_table(io.BytesIO(body)) if form == "parquet" else pa.ipc.open_stream(io.BytesIO(body)).read_all()
    mine = table.filter(pc.equal(table["tag"], "t"))
    assert mine["value"].to_pylist() == [float(i) for i in range(150)]
    assert mine["quality"].to_pylist()[5] == BAD
    assert "=1+1" in table["text"].to_pylist()


def test_more_than_can_be_given_is_refused(plant: Plant, client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", 100)
    store(plant, "s", "t", [1.0] * 101)
    asked = {"tag": "s/t", "start": START.isoformat(), "end": (START + timedelta(hours=1)).isoformat()}
    assert client.get(f"/api/v1/trends/samples?{urlencode(asked)}").json()["code"] == "PLT-0031"
