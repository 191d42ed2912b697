"""The PAT room by the REST interface."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from baro.apps.ledger.services import reading
from baro.apps.pat.models import CalibrationModel, Deployment
from baro.apps.pat.services import approve_deployment, request_deployment
from baro.apps.people.roles import Permission
from baro.apps.people.tokens import create_token
from tests.apps.pat.making import Room
from tests.plant import LOTS, Plant


def client(plant: Plant, name: str) -> Client:
    user = plant.user(name)
    scopes = [permission for permission in Permission.values if user.may(permission)]
    _, text = create_token(user, "test", scopes, 1)
    return Client(SERVER_NAME="127.0.0.1", headers={"Authorization": f"Bearer {text}"})


def get(asked: Client, address: str) -> Any:
    answer = asked.get(f"/api/v1/pat/{address}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_whole_room_can_be_read(room: Room) -> None:
    model = room.model()
    run = room.validated(model)
    asked = client(room.plant, "operator1")
    assert get(asked, "methods/assay-nir")["models"] == [1]
    assert [one["code"] for one in get(asked, "data-sets")] == ["cal", "test-1"]
    assert get(asked, "data-sets/test-1")["looks"] == 1
    told = get(asked, "models/assay-nir/1")
    assert (told["digest"], told["data_set"], told["status"]) == (model.digest, "cal", "trial")
    assert {one["code"] for one in get(asked, "models")} == {"assay-nir", "tablet-assay"}
    protocol = get(asked, f"protocols/{run.protocol_id}")
    assert (protocol["state"], protocol["runs"][0]["passed"]) == ("judged", True)
    assert get(asked, "searches") == []
    for nothing in ("methods/none", "models/assay-nir/9", "models/assay-nir/9/file", "data-sets/none"):
        assert asked.get(f"/api/v1/pat/{nothing}").status_code == 404


def test_a_model_goes_out_as_a_file_and_comes_in(room: Room) -> None:
    asked = client(room.plant, "science1")
    answer = asked.get("/api/v1/pat/models/tablet-assay/1/file")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) == {"model.json", "model.npz", "model.sha256"}
    form = {"code": "again", "reason": "to compare"}
    sent = asked.post("/api/v1/pat/models", form | {"file": SimpleUploadedFile("model.zip", answer.content)})
    assert sent.json()["code"] == "tablet-assay"  # the same bytes are kept once
    broken = asked.post("/api/v1/pat/models", form | {"file": SimpleUploadedFile("model.zip", b"PK")})
    assert (broken.status_code, broken.json()["code"]) == (422, "PAT-0012")
    operator = client(room.plant, "operator1")
    refused = operator.post("/api/v1/pat/models", form | {"file": SimpleUploadedFile("model.zip", answer.content)})
    assert refused.status_code == 403


def test_a_model_goes_out_for_other_programs(room: Room) -> None:
    asked = client(room.plant, "science1")
    skops = asked.get("/api/v1/pat/models/tablet-assay/1/file?kind=skops")
    assert skops["Content-Disposition"] == 'attachment; filename="tablet-assay-1.skops"'
    form = {"code": "again", "reason": "to compare", "file": SimpleUploadedFile("model.skops", skops.content)}
    assert asked.post("/api/v1/pat/models", form).json()["code"] == "tablet-assay"
    onnx = asked.get("/api/v1/pat/models/tablet-assay/1/file?kind=onnx")
    assert onnx["Content-Type"] == "application/octet-stream"
    assert b"baro.axis_digest" in onnx.content
    assert asked.get("/api/v1/pat/models/tablet-assay/1/file?kind=pickle").status_code == 422


def test_a_laboratory_system_writes_parallel_tests(room: Room) -> None:
    plant = room.plant
    lot_no = plant.finished("A").lot.lot_no
    with reading(plant.company):
        model = CalibrationModel.objects.get()
        known = Deployment.objects.filter(state="active", role="champion").first()
    deployment = known
    if deployment is None:
        asked_for = request_deployment(room.scientist, model, room.instrument, "champion", "in use")
        deployment = approve_deployment(room.head, plant.password, asked_for.id, "agreed")
    sample = LOTS["A"].tablets[0].sample_id
    body = {
        "deployment": str(deployment.id),
        "lot_no": lot_no,
        "sample": sample,
        "reference": 199.2,
        "measured_at": "2026-11-20T10:00:00+09:00",
        "reason": "weekly parallel test",
    }
    asked = client(plant, "analyst1")
    answer = asked.post("/api/v1/pat/parallel-tests", body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    assert answer.json()["predicted"] == pytest.approx(199.2, abs=20.0)
    (kept,) = get(asked, f"parallel-tests?deployment={deployment.id}")
    assert kept == answer.json() | {"measured_at": "2026-11-20T01:00:00Z"}
    again = asked.post("/api/v1/pat/parallel-tests", body, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "PAT-0007")
    unknown = asked.post("/api/v1/pat/parallel-tests", body | {"sample": "nobody"}, content_type="application/json")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "PAT-0001")
    operator = client(plant, "operator1")
    assert operator.post("/api/v1/pat/parallel-tests", body, content_type="application/json").status_code == 403
    assert [one["model"] for one in get(asked, "deployments")] == ["tablet-assay"]
