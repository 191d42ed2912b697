"""Checkpoints off the server: what a witness or a folder has seen cannot be taken back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.db import connections, transaction

from baro.apps.ledger.log import consistency_proof, integrate, log_signer, newest_checkpoint
from baro.apps.ledger.log.publishing import NotPublished, WitnessLink, publish_to_folder
from baro.apps.ledger.log.queries import full_note
from baro.apps.ledger.merkle import Signer, Tree, Verifier, checkpoint_text, open_note
from baro.apps.ledger.merkle.note import COSIGNATURE
from baro.apps.ledger.merkle.proofs import consistency_proof as prove
from baro.apps.ledger.merkle.witness import PATH, SIZE_TYPE, Witness, request_body
from baro.apps.ledger.models import Checkpoint, Cosignature
from baro.apps.ledger.services import Program, change
from baro.apps.people.models import Site
from tests.plant import Plant
from tests.ports import free_port

ORIGIN = "plant.example/baro"
LOG = Signer.new(ORIGIN)
TREE = Tree(f"entry {i}".encode() for i in range(40))
FORK = Tree(f"other {i}".encode() for i in range(40))


def note(size: int, tree: Tree = TREE, signer: Signer = LOG, origin: str = ORIGIN) -> str:
    text = checkpoint_text(origin, size, tree.root(size))
    return f"{text}\n{signer.sign(text)}"


def ask(witness: Witness, old: int, size: int, tree: Tree = TREE) -> int:
    proof = prove(old, size, tree.node) if 0 < old < size else []
    return witness.add_checkpoint(request_body(old, proof, note(size, tree))).status


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(Signer.new("w1.example", COSIGNATURE), [LOG.verifier.vkey], tmp_path / "witness")


def test_a_witness_cosigns_what_goes_on(witness: Witness, tmp_path: Path) -> None:
    for old, size in ((0, 3), (3, 3), (3, 10), (10, 32), (32, 40)):
        answer = witness.add_checkpoint(
            request_body(old, prove(old, size, TREE.node) if 0 < old < size else [], note(size))
        )
        assert answer.status == 200
        keys = [LOG.verifier.vkey, witness.signer.verifier.vkey]
        signed = open_note(note(size) + answer.body, keys, ORIGIN)
        assert abs(signed.cosigned[0][1] - time.time()) < 60
    again = Witness(witness.signer, witness.logs, tmp_path / "witness")
    assert again.newest(ORIGIN).size == 40


def test_a_witness_refuses_whatever_does_not_go_on(witness: Witness) -> None:
    assert ask(witness, 0, 10) == 200
    conflict = witness.add_checkpoint(request_body(0, [], note(20)))
    assert (conflict.status, conflict.body, conflict.content_type) == (409, "10\n", SIZE_TYPE)
    assert ask(witness, 9, 10) == 409
    assert ask(witness, 5, 8) == 409  # the log was cut off and written anew
    assert witness.add_checkpoint(request_body(10, [], note(8))).status == 400
    assert witness.add_checkpoint(request_body(10, [], note(10, FORK))).status == 409
    assert ask(witness, 10, 20, FORK) == 422
    good = prove(10, 20, TREE.node)
    for proof in ([], good[:-1], [*good, good[0]], good[::-1]):
        assert witness.add_checkpoint(request_body(10, proof, note(20))).status == 422
    assert witness.add_checkpoint(request_body(10, [bytes(32)], note(10))).status == 422
    assert witness.newest(ORIGIN).size == 10
    assert ask(witness, 10, 20) == 200


def test_a_witness_believes_only_the_logs_it_follows(witness: Witness) -> None:
    thief = Signer.new(ORIGIN)
    assert witness.add_checkpoint(request_body(0, [], note(5, signer=thief))).status == 403
    other = Signer.new("other.example")
    assert witness.add_checkpoint(request_body(0, [], note(5, signer=other, origin="other.example"))).status == 404
    assert witness.add_checkpoint(request_body(0, [bytes(32)], note(5))).status == 422
    assert witness.newest(ORIGIN) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"old 0\n",
        b"old 0\n\n",
        b"old 00\n\n" + note(5).encode(),
        b"old -1\n\n" + note(5).encode(),
        b"old 99999999999999999999999\n\n" + note(5).encode(),
        b"new 0\n\n" + note(5).encode(),
        b"old 0\nAAAA\n\n" + note(5).encode(),
        b"old 0\n" + b"A" * 43 + b"=\n" * 70 + b"\n" + note(5).encode(),
        b"old 6\n\n" + note(5).encode(),
    ],
)
def test_malformed_requests_are_refused(witness: Witness, body: bytes) -> None:
    assert witness.add_checkpoint(body).status == 400


def test_a_witness_with_a_spoiled_memory_signs_nothing(witness: Witness) -> None:
    assert ask(witness, 0, 10) == 200
    next(witness.folder.glob("*.checkpoint")).write_text("x")
    assert ask(witness, 10, 20) == 403


# --- a second installation as a witness: a process of its own


def grow(plant: Plant) -> Checkpoint:
    with change(Program("test", plant.company), "grow"):
        Site.objects.create(company_id=plant.company, code=f"s{time.monotonic_ns()}", name_ko="공장", name_en="Plant")
    return integrate()


@pytest.fixture
def process(database: str, tmp_path: Path) -> Iterator[WitnessLink]:
    key = log_signer().verifier
    port = free_port()
    environment = {
        **os.environ,
        "BARO_HOME": str(tmp_path / "second"),
        "BARO_WITNESS_LOGS": f'{{"{key.name}": "{key.vkey}"}}',
        "BARO_WITNESS_NAME": "second.example/witness",
    }
    command = [sys.executable, "-m", "baro", "witness", "--port", str(port)]
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    vkey = running.stdout.readline().strip()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield WitnessLink(f"http://127.0.0.1:{port}", vkey)
    running.terminate()
    running.wait(10)
    running.stdout.close()


def test_another_process_cosigns_and_refuses_a_log_that_was_cut(
    plant: Plant, process: WitnessLink, tmp_path: Path
) -> None:
    first = grow(plant)
    kept = process.cosign(first)
    assert kept.witness == "second.example/witness"
    second = grow(plant)
    process.cosign(second)
    keys = [log_signer().verifier.vkey, process.vkey]
    assert open_note(full_note(second), keys, log_signer().name).cosigned[0][0] == process.name
    # it remembers more than we do
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM ledger_cosignature")
    third = grow(plant)
    process.cosign(third)
    assert third.cosignatures.count() == 1
    # a log that was cut off and goes on otherwise
    with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM ledger_node WHERE level = 0 AND index >= %s", [first.size])
        with pytest.raises(NotPublished) as refusal:
            process.cosign(first, "owner")
        transaction.set_rollback(True, "owner")
    assert refusal.value.conflict
    text = checkpoint_text(log_signer().name, third.size, bytes(32))
    rewritten = Checkpoint(size=third.size, root=bytes(32), note=f"{text}\n{log_signer().sign(text)}", key=third.key)
    with pytest.raises(NotPublished) as refusal:
        process.cosign(rewritten)
    assert refusal.value.conflict


def test_a_witness_of_another_key_is_not_believed(plant: Plant, process: WitnessLink) -> None:
    stranger = Signer.new(process.name, COSIGNATURE).verifier.vkey
    with pytest.raises(NotPublished):
        WitnessLink(process.address, stranger).cosign(grow(plant))
    for address in ("http://127.0.0.1:9", "file:///etc/passwd"):
        with pytest.raises(NotPublished):
            WitnessLink(address, process.vkey).cosign(newest_checkpoint())


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody on to the witness behind it."""

    target = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(int(self.path.partition("/")[2].partition("/")[0]))
        self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.clause("ASVS 15.3.2")
def test_a_witness_is_asked_where_the_settings_say_and_nowhere_else(plant: Plant, process: WitnessLink) -> None:
    checkpoint = grow(plant)
    Elsewhere.target = f"{process.address}{PATH}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        for status in (301, 302, 303, 307, 308):
            with pytest.raises(NotPublished, match=str(status)):
                WitnessLink(f"http://127.0.0.1:{server.server_port}/{status}", process.vkey).cosign(checkpoint)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert process.cosign(checkpoint).witness == process.name


# --- a folder elsewhere


def test_a_folder_keeps_the_newest_and_one_of_each_day(plant: Plant, tmp_path: Path) -> None:
    for _ in range(2):
        checkpoint = grow(plant)
        publish_to_folder(checkpoint, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [checkpoint.at.date().isoformat(), "latest"]
    assert (tmp_path / "latest").read_text() == checkpoint.note


def test_what_lies_outside_is_not_overwritten_by_a_log_that_does_not_go_on_from_it(
    plant: Plant, tmp_path: Path
) -> None:
    first, second = grow(plant), grow(plant)
    publish_to_folder(second, tmp_path)
    with pytest.raises(NotPublished) as refusal:
        publish_to_folder(first, tmp_path)
    assert refusal.value.conflict
    assert (tmp_path / "latest").read_text() == second.note
    signer, key = log_signer(), second.key
    for text in (
        checkpoint_text(signer.name, first.size, bytes(32)),
        checkpoint_text("other.example", first.size, bytes(first.root)),
    ):
        (tmp_path / "latest").write_text(f"{text}\n{signer.sign(text)}")
        with pytest.raises(NotPublished):
            publish_to_folder(second, tmp_path)
    thief = Signer.new(signer.name)
    text = checkpoint_text(signer.name, second.size, bytes(second.root))
    replaced = Checkpoint(
        size=second.size, root=second.root, note=f"{text}\n{thief.sign(text)}", key=thief.verifier.vkey, at=second.at
    )
    (tmp_path / "latest").write_text(first.note)
    with pytest.raises(NotPublished):
        publish_to_folder(replaced, tmp_path)
    assert Verifier.parse(key).name == signer.name
    assert consistency_proof(first.size, second.size)


def test_the_worker_keeps_the_log_and_publishes_it(plant: Plant, process: WitnessLink, tmp_path: Path) -> None:
    while integrate():
        pass
    before = newest_checkpoint().size
    environment = {
        **os.environ,
        "BARO_CHECKPOINT_DIR": str(tmp_path / "share"),
        "BARO_WITNESSES": f'{{"{process.address}": "{process.vkey}"}}',
    }
    with change(Program("test", plant.company), "for the worker"):
        Site.objects.create(company_id=plant.company, code="for the worker", name_ko="공장", name_en="Plant")
    latest = tmp_path / "share" / "latest"
    with subprocess.Popen([sys.executable, "-m", "baro", "worker"], env=environment) as worker:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            newest = newest_checkpoint()
            if newest.size > before and latest.exists() and Cosignature.objects.filter(witness=process.name).exists():
                break
            time.sleep(0.2)
        worker.terminate()
    assert newest.size > before
    keys = [log_signer().verifier.vkey, process.vkey]
    assert open_note(latest.read_text(), keys, log_signer().name).size > before
    kept = Cosignature.objects.filter(witness=process.name).latest("id").checkpoint
    assert open_note(full_note(kept), keys).cosigned[0][0] == process.name
