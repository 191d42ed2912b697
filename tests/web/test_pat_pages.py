"""The pages of the PAT room: methods, upload, explorer, searches."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from openpyxl import Workbook

from baro.apps.ledger.services import reading
from baro.apps.pat import words
from baro.apps.pat.models import CalibrationModel, DataSet, Method, Search
from baro.apps.pat.tasks import search as run_search
from baro.apps.pat.words import SENTENCES, all_told
from baro.science.chemometrics.findings import data_findings
from baro.science.chemometrics.recipe import STEPS, Recipe
from tests.apps.pat.making import AXIS, Room, rows
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn


@pytest.fixture
def room(plant: Plant) -> Room:
    return Room(plant)


@pytest.fixture
def browser(room: Room, signed_in: SignIn) -> Browser:
    return signed_in("science1", room.plant)


def csv_of(delimiter: str = ",", decimal: str = ".", count: int = 8) -> bytes:
    """A wide table as instruments' programs write it, with columns in an order of its own."""
    made = rows(count)
    lines = [delimiter.join(["Lot", "Measured", "ID", *(f"{x:g}" for x in AXIS), "HPLC mg"])]
    for row in made:
        at = row.measured_at.isoformat() if row.measured_at else ""
        numbers = [f"{x:.6f}" for x in row.spectrum]
        line = [row.batch, at, row.sample, *numbers, f"{row.reference:.4f}"]
        lines.append(
            delimiter.join(text if i in (0, 1, 2) else text.replace(".", decimal) for i, text in enumerate(line))
        )
    return "\n".join(lines).encode()


def excel_of(body: bytes) -> bytes:
    book = Workbook()
    for line in body.decode().splitlines():
        cells = [float(c) if c.replace(".", "").replace("-", "").isdigit() and "." in c else c for c in line.split(",")]
        book.active.append(cells)  # type: ignore[union-attr]
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def unpacked(body: bytes) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """(head, values by row, scores by row) of what the explorer gets, as its script reads them."""
    size = struct.unpack("<I", body[:4])[0]
    head = json.loads(body[4 : 4 + size])
    count, points = head["rows"], head["points"]
    ends = np.frombuffer(body, "<f4", 2 * count, 4 + size).reshape(-1, 2)
    scores = np.frombuffer(body, "<f4", 2 * count, 4 + size + 8 * count).reshape(-1, 2)
    levels = np.frombuffer(body, "<u2", count * points, 4 + size + 16 * count).reshape(-1, points)
    assert len(body) == 4 + size + 16 * count + 2 * count * points
    values = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * (levels / 65534)
    at = (head["first"] + np.arange(count)) * head["step"] % head["of"]
    told = [np.full((head["of"], one.shape[1]), np.nan) for one in (values, scores)]
    told[0][at], told[1][at] = np.where(levels == 65535, np.nan, values), scores
    return head, told[0], told[1]


def sent(browser: Browser, where: str, files: list[tuple[str, bytes]], **told: str) -> tuple[int, str]:
    form = {"files": [SimpleUploadedFile(name, body) for name, body in files], "purpose": "calibration"}
    answer = browser.post(f"/pat/data-sets/new/{where}", form | told)
    return answer.status_code, answer.headers.get("HX-Redirect") or answer.content.decode()


TOLD = {
    "code": "uploaded",
    "name_ko": "올린 자료",
    "name_en": "Uploaded",
    "quantity": "assay",
    "unit": "mg",
    "reference_method": "HPLC",
    "reference_error": "0.4",
    "instrument": "nir-1",
    "reason": "first data",
}


def test_a_method_is_made_and_says_what_it_waits_for(room: Room, browser: Browser) -> None:
    assert "아직 분석법이 없습니다" in browser.get("/pat").content.decode()
    form = {"code": "assay-nir", "name_ko": "함량", "name_en": "Assay", "technique": "nir", "quantity": "assay"}
    form |= {"unit": "mg", "nominal": "100", "purpose": "release", "reason": "planned"}
    refused = browser.post("/pat/methods/new", form | {"code": "함량 1"})
    assert (refused.status_code, "PAT-0006" in refused.content.decode()) == (422, True)
    assert "release" in refused.content.decode()  # what was typed stays
    assert browser.post("/pat/methods/new", form | {"nominal": "many"}).status_code == 422
    assert browser.post("/pat/methods/new", form).headers["HX-Redirect"] == "/pat/methods/assay-nir"
    assert browser.post("/pat/methods/new", form).status_code == 422
    assert "허용기준 설정" in browser.get("/pat").content.decode()
    place = "/pat/methods/assay-nir"
    bad = browser.post(f"{place}/criteria", {"criteria": "rmsep below 2", "reason": "x"})
    assert "PAT-0008" in bad.content.decode()
    assert (
        browser.post(f"{place}/criteria", {"criteria": "rmsep at_most 2\nbias within 1", "reason": "x"}).status_code
        == 204
    )
    scope = {"steps": "snv, savgol", "components": "2, 6", "regions": "1100-1300", "samples": "yes", "reason": "x"}
    assert browser.post(f"{place}/scope", scope | {"regions": "1100"}).status_code == 422
    assert browser.post(f"{place}/scope", scope).status_code == 204
    found = room.again(Method.objects.none().model(id=_method(room).id))
    assert found.scope == {"steps": ["snv", "savgol"], "components": [2, 6], "regions": [[1100, 1300]], "samples": True}
    page = browser.get(place).content.decode()
    assert "스펙트럼을 올리고 확정" in page
    assert "RMSEP" in page
    assert page.count("허용기준 설정") >= 1
    assert "planned" in page  # the history gives reasons


def _method(room: Room) -> Method:
    with reading(room.plant.company):
        return Method.objects.get()


def test_who_may_not_develop_sees_why(room: Room, signed_in: SignIn) -> None:
    room.method()
    other = signed_in("operator1", room.plant)
    page = other.get("/pat/methods/assay-nir").content.decode()
    assert "start-search" not in page
    assert "why-not" in page
    assert other.get("/pat/methods/new").status_code == 403
    assert other.get("/pat/data-sets/new").status_code == 403
    assert other.post("/pat/data-sets/new/record", TOLD).status_code == 403


@pytest.mark.parametrize("form", ["csv", "semicolon", "excel"])
def test_a_table_is_read_its_columns_are_proposed_and_it_is_kept(form: str, room: Room, browser: Browser) -> None:
    body = csv_of(";", ",") if form == "semicolon" else csv_of()
    body, name = (excel_of(body), "t.xlsx") if form == "excel" else (body, "t.csv")
    status, page = sent(browser, "look", [(name, body)])
    assert status == 200, page
    for role, column in {"sample": "ID", "batch": "Lot", "reference": "HPLC mg", "time": "Measured"}.items():
        part = page.split(f'data-testid="role-{role}"')[1].split("</select>")[0]
        assert f'<option value="{column}" selected>' in part
    assert "1100–1300 nm" in page
    with reading(room.plant.company):
        assert not DataSet.objects.exists()  # nothing was kept
    assert sent(browser, "record", [(name, body)], **TOLD) == (204, "/pat/data-sets/uploaded")
    with reading(room.plant.company):
        found = DataSet.objects.get()
    assert (found.count, found.batches, found.channels, found.status) == (32, 8, 40, "draft")
    told = browser.get("/pat/data-sets/uploaded/samples.json").json()
    assert told["sample"][0] == "B1-1"
    assert told["reference"][0] == pytest.approx(rows(8)[0].reference, abs=1e-4)
    assert told["time"][0].startswith("2026-03-02T00:00")
    assert browser.post("/pat/data-sets/uploaded/freeze", {"reason": "complete"}).status_code == 204
    assert browser.post("/pat/data-sets/uploaded/freeze", {"reason": "complete"}).status_code == 409


def test_spectrum_files_are_matched_with_the_table_of_their_samples(room: Room, browser: Browser) -> None:
    made = rows(4)
    files = []
    for row in made:
        points = "\n".join(f"{x:g} {y:.6f}" for x, y in zip(AXIS, row.spectrum, strict=True))
        head = f"##TITLE={row.sample}\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n"
        head += "##XUNITS=NANOMETERS\n##YUNITS=ABSORBANCE\n"
        size = f"##XFACTOR=1\n##YFACTOR=1\n##FIRSTX={AXIS[0]:g}\n##LASTX={AXIS[-1]:g}\n##NPOINTS={len(AXIS)}\n"
        files.append((f"{row.sample}.jdx", f"{head}{size}##XYPOINTS=(XY..XY)\n{points}\n##END=\n".encode()))
    table = "sample,batch,assay\n" + "\n".join(f"{r.sample},{r.batch},{r.reference}" for r in made)
    status, page = sent(browser, "look", [*files, ("refs.csv", f"{table}\nB9-9,B9,100\n".encode())])
    assert status == 200, page
    assert "B9-9" in page  # the row without a spectrum is named
    short = "\n".join(table.splitlines()[:-2])
    status, page = sent(browser, "look", [*files, ("refs.csv", short.encode())])
    assert (status, "B4-3, B4-4" in page) == (422, True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("B3-2,", "B3-2,x", 1), ["11행", "1100"]),
        (lambda text: text + "\nB9,2026-03-01,B9-1,1.0", ["34행", "4개"]),
        (lambda text: "\n".join(text.splitlines()[:1]), ["t.csv"]),
        (lambda text: "a,b\n1,2\n3,4\n", ["1100, 1102"]),
        (lambda text: "\x00\x01", ["t.csv"]),
    ],
)
def test_what_cannot_be_read_is_named_by_row_and_column(change, told, browser: Browser) -> None:  # type: ignore[no-untyped-def]
    status, page = sent(browser, "look", [("t.csv", change(csv_of().decode()).encode())])
    assert status == 422, page
    assert "PAT-0001" in page
    for part in told:
        assert part in page


def test_a_wrong_reference_value_and_a_wrong_form_are_refused_in_words(browser: Browser) -> None:
    body = csv_of().decode()
    wrong = body.rsplit(",", 1)[0] + ",n.d."
    roles = {"role_sample": "ID", "role_batch": "Lot", "role_reference": "HPLC mg", "role_time": ""}
    status, page = sent(browser, "look", [("t.csv", wrong.encode())], **roles)
    assert (status, "33행 HPLC mg열: &#x27;n.d.&#x27;" in page) == (422, True), page
    for change in (
        {"code": "no code"},
        {"reference_error": "small"},
        {"unit": ""},
        {"instrument": "x"},
        {"code": "new"},
    ):
        status, page = sent(browser, "record", [("t.csv", body.encode())], **(TOLD | change))
        assert (status, "PAT-0001" in page) == (422, True), change
    assert sent(browser, "look", [])[0] == 422


def test_the_explorer_gives_spectra_after_preprocessing(room: Room, browser: Browser) -> None:
    made = room.frozen("cal", rows())
    assert "cal" in browser.get("/pat/data-sets").content.decode()
    assert browser.get("/pat/data-sets/cal").status_code == 200
    steps = [{"step": "snv"}, {"step": "savgol", "window": 7, "polyorder": 2, "deriv": 1}]
    head, shown, scores = unpacked(browser.get("/pat/data-sets/cal/spectra.bin", {"steps": json.dumps(steps)}).content)
    assert (head["of"], head["rows"], head["points"], head["stride"], head["next"]) == (32, 32, 40, 1, None)
    pipeline = Recipe.parse([*steps, {"step": "pls", "components": 1}]).pipeline(AXIS)
    raw = np.stack([row.spectrum for row in rows()]).astype(np.float64)
    expected = pipeline[:-1].fit_transform(raw)
    # a screen has fewer steps than these between the lowest and the highest value
    np.testing.assert_allclose(shown, expected, atol=float(np.ptp(expected, axis=1).max()) / 60_000)
    assert scores.shape == (32, 2)
    half = unpacked(browser.get("/pat/data-sets/cal/spectra.bin", {"steps": json.dumps(steps), "first": 16}).content)
    np.testing.assert_array_equal(half[2][[16 * head["step"] % 32]], scores[[16 * head["step"] % 32]])
    for first in ("32", "-1", "x"):
        assert browser.get("/pat/data-sets/cal/spectra.bin", {"first": first}).status_code == 422
    for wrong in (
        "x",
        "{}",
        '[{"step": "magic"}]',
        '[{"step": "savgol", "window": 1001}]',
        '[{"step": "region", "ranges": [[1, 2]]}]',
        '[{"step": "vip"}]',  # it looks at reference values, which a test set hides
    ):
        refused = browser.get("/pat/data-sets/cal/spectra.bin", {"steps": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "PAT-0005"), wrong
    assert browser.post("/pat/data-sets/cal/exclude?sample=B1-1&sample=B1-2", {"reason": "spilt"}).status_code == 204
    assert browser.post("/pat/data-sets/cal/exclude?sample=none", {"reason": "spilt"}).status_code == 422
    told = browser.get("/pat/data-sets/cal/samples.json").json()
    assert told["excluded"][:3] == ["spilt", "spilt", None]
    assert made.count == 32


def test_reference_values_of_a_test_set_stay_hidden_until_somebody_says_why(room: Room, browser: Browser) -> None:
    wet = [replace(row, variables={"moisture": float(i), "press": f"P{i % 2}"}) for i, row in enumerate(rows(4))]
    room.frozen("test", wet, "test")
    # one of the other columns may be the reference value under another name
    assert browser.get("/pat/data-sets/test/samples.json").json()["variables"] == {}
    assert set(browser.get("/pat/data-sets/test/samples.json").json()["reference"]) == {None}
    assert "show-references" in browser.get("/pat/data-sets/test").content.decode()
    assert browser.post("/pat/data-sets/test/look", {"reason": ""}).status_code >= 400
    assert browser.post("/pat/data-sets/test/look", {"reason": "curious"}).status_code == 204
    assert None not in browser.get("/pat/data-sets/test/samples.json").json()["reference"]
    assert browser.get("/pat/data-sets/test/samples.json").json()["variables"]["moisture"][0] == 0.0
    assert "curious" in browser.get("/pat/data-sets/test").content.decode()


def test_a_search_is_started_stopped_gone_on_with_and_gives_a_model(room: Room, browser: Browser) -> None:
    room.method()
    form = {"data_set": "cal", "space": "quick", "components": "4", "folds": "4", "seed": "7", "reason": "first"}
    assert browser.post("/pat/methods/assay-nir/search", form).status_code == 422  # no frozen set yet
    room.frozen("cal", rows())
    assert browser.post("/pat/methods/assay-nir/search", form | {"components": "0"}).status_code == 422
    assert browser.post("/pat/methods/assay-nir/search", form | {"seed": "x"}).status_code == 422
    place = browser.post("/pat/methods/assay-nir/search", form).headers["HX-Redirect"]
    page = browser.get(place).content.decode()
    assert 'data-state="waiting"' in page
    assert "hx-trigger" in page
    assert browser.post(f"{place}/stop", {"reason": "wait"}).status_code == 204
    assert browser.post(f"{place}/stop", {"reason": "wait"}).status_code == 409
    assert browser.post(f"{place}/resume", {"reason": "go"}).status_code == 204
    with reading(room.plant.company):
        found = Search.objects.get()
    run_search(str(room.plant.company), str(found.id), found.attempt)
    page = browser.get(f"{place}/now").content.decode()
    assert 'data-state="done"' in page
    assert "hx-trigger" not in page
    assert "배치 단위로 제외" in page
    assert "배치를 섞어 무작위로 제외" in page
    first = page.split('data-testid="build-first"')[0].rsplit("hx-get=", 1)[1].split('"')[1]
    assert browser.get(first).status_code == 200
    assert browser.post(first, {"components": "99", "reason": "best"}).status_code == 422
    assert browser.post(f"{place}/build?candidate=77", {"components": "2", "reason": "best"}).status_code == 422
    made = browser.post(first, {"components": "2", "reason": "best"})
    assert made.headers["HX-Redirect"] == "/pat/models/assay-nir/1"
    with reading(room.plant.company):
        model = CalibrationModel.objects.get(method__code="assay-nir")
    assert (model.search_id, model.recipe[-1]) == (found.id, {"step": "pls", "components": 2})  # type: ignore[index]
    history = browser.get("/pat/methods/assay-nir").content.decode()
    assert "assay-nir v1" in history
    assert "독립 시험 세트를 올리고 확정" in history


def test_every_finding_and_every_step_has_words() -> None:
    data = rows(1, 12)
    x, y = np.stack([row.spectrum for row in data]), np.array([row.reference for row in data])
    x[1], y[1] = x[0], y[0] + 5.0
    told = all_told([one.to_json() for one in data_findings(x, y, ["a"] * 12, [row.sample for row in data], 9.0)])
    assert {"few_samples", "one_batch", "equal_spectra"} <= {one.code for one in told}
    assert all("%(" not in one.text and one.code not in one.text for one in told)
    assert told[0].state == "failed"
    assert set(STEPS) <= set(words.STEPS)
    assert all_told([{"code": "unknown_yet", "severity": "warning", "facts": {"n": 1}}])[0].text.startswith(
        "unknown_yet"
    )
    assert len(SENTENCES) > 20
