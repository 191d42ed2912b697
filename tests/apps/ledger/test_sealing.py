"""Sealed documents, held against programs of others: poppler's pdfsig and openssl."""

from __future__ import annotations

import io
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random

import pikepdf
import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from baro.apps.ledger import sealing
from baro.apps.ledger.sealing import SealFailed, SealFinding, Sealing, authority, look, seal
from baro.apps.release.certificate import render
from baro.config import Config
from tests.apps.release.test_certificate import CONTENT

TOLD = Sealing("품질부서 책임자 1", "출하 승인: all met", "오송", datetime.now(UTC).replace(microsecond=0))
PDFSIG, OPENSSL = shutil.which("pdfsig"), shutil.which("openssl")
needs_pdfsig = pytest.mark.skipif(PDFSIG is None, reason="poppler's pdfsig is not installed")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def plain() -> bytes:
    return render(CONTENT, "ko")


@pytest.fixture(scope="module")
def sealed(plain: bytes) -> bytes:
    return seal(plain, TOLD)


def set_up(monkeypatch: pytest.MonkeyPatch, home: Path, **settings: str) -> None:
    monkeypatch.setattr(sealing, "config", lambda: Config(home=home, **settings))


def pdfsig(pdf: bytes, folder: Path) -> str:
    file = folder / "paper.pdf"
    file.write_bytes(pdf)
    return subprocess.run([PDFSIG, "-nocert", file], capture_output=True, text=True, timeout=60).stdout


def run(*command: object, cwd: Path, stdin: bytes | None = None) -> bytes:
    return subprocess.run([OPENSSL, *map(str, command)], cwd=cwd, input=stdin, check=True, capture_output=True).stdout


@pytest.mark.clause("Part 11 11.70", "별표 9 4.10")
def test_the_first_revision_is_what_was_rendered_and_the_seal_tells_who_and_why(plain: bytes, sealed: bytes) -> None:
    assert sealed.startswith(plain)
    assert look(sealed, plain) is SealFinding.VALID
    assert look(sealed, plain + b" ") is SealFinding.CHANGED
    assert look(plain) is SealFinding.UNSEALED
    assert look(b"no pdf") is SealFinding.CHANGED
    (signature,) = PdfFileReader(io.BytesIO(sealed)).embedded_signatures
    told = signature.sig_object
    assert (told["/Name"], told["/Reason"], told["/Location"]) == (TOLD.name, TOLD.reason, TOLD.location)
    assert signature.self_reported_timestamp == TOLD.at
    with pikepdf.open(io.BytesIO(sealed)) as pdf:
        metadata = pdf.open_metadata()
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("2", "A")
    with pytest.raises(ValueError, match="no time zone"):
        seal(plain, Sealing("a", "b", "c", datetime(2026, 1, 1)))  # noqa: DTZ001


@pytest.mark.peer
@needs_pdfsig
def test_another_program_validates_it_and_finds_a_flipped_byte(sealed: bytes, tmp_path: Path) -> None:
    told = pdfsig(sealed, tmp_path)
    assert "Signature is Valid" in told
    assert "Total document signed" in told
    assert "ETSI.CAdES.detached" in told
    flipped = bytearray(sealed)
    flipped[len(sealed) // 3] ^= 1
    assert "Signature is Valid" not in pdfsig(bytes(flipped), tmp_path)


def test_every_flipped_byte_is_found(sealed: bytes) -> None:
    random = Random(11)
    for place in [0, len(sealed) - 1, *(random.randrange(len(sealed)) for _ in range(150))]:
        flipped = bytearray(sealed)
        flipped[place] ^= 1 << random.randrange(8)
        assert look(bytes(flipped)) is not SealFinding.VALID, place
    for longer in (sealed + b" ", sealed + b"\n%%EOF", sealed[:-1], sealed[: len(sealed) // 2]):
        assert look(longer) is not SealFinding.VALID


@pytest.mark.peer
@needs_openssl
def test_openssl_verifies_the_signature_to_the_authority(sealed: bytes, tmp_path: Path) -> None:
    (signature,) = PdfFileReader(io.BytesIO(sealed)).embedded_signatures
    a, n, b, m = (int(number) for number in signature.sig_object["/ByteRange"])
    (tmp_path / "signed.bin").write_bytes(sealed[a : a + n] + sealed[b : b + m])
    (tmp_path / "signature.der").write_bytes(signature.signed_data.dump())
    cms = signature.pkcs7_content
    (tmp_path / "cms.der").write_bytes(cms.rstrip(b"\0") if not cms.endswith(b"\0\0") else cms)
    check = ("cms", "-verify", "-inform", "DER", "-in", "cms.der", "-content", "signed.bin", "-binary")
    check += ("-CAfile", authority(), "-purpose", "any", "-out", "out.bin")
    run(*check, cwd=tmp_path)
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "signed.bin").read_bytes()
    changed = bytearray((tmp_path / "signed.bin").read_bytes())
    changed[99] ^= 1
    (tmp_path / "signed.bin").write_bytes(changed)
    with pytest.raises(subprocess.CalledProcessError):
        run(*check, cwd=tmp_path)


def test_the_keys_are_made_once_for_the_owner_alone(
    plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, tmp_path)
    threads = [threading.Thread(target=seal, args=(plain, TOLD)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()}
    assert kept == {"seal-ca.pem": 0o600, "seal.pem": 0o600, "seal-ca.crt": 0o644}
    assert b"PRIVATE" not in authority().read_bytes()
    before = (tmp_path / "keys" / "seal.pem").read_bytes()
    mine = seal(plain, TOLD)
    assert (tmp_path / "keys" / "seal.pem").read_bytes() == before
    assert look(mine) is SealFinding.VALID
    set_up(monkeypatch, tmp_path / "elsewhere")
    assert look(mine) is SealFinding.OTHER_KEY, "a replaced key is found"


@needs_openssl
def test_a_seal_of_the_plants_own(plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = ("req", "-x509", "-newkey", "rsa:3072", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-days", "3650")
    run(
        *request,
        "-subj",
        "/CN=Plant seal",
        "-addext",
        "keyUsage=critical,digitalSignature,nonRepudiation",
        cwd=tmp_path,
    )
    run("pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem", "-out", "own.p12", "-passout", "pass:x1", cwd=tmp_path)
    set_up(monkeypatch, tmp_path, seal_p12=str(tmp_path / "own.p12"), seal_p12_password="x1")
    mine = seal(plain, TOLD)
    assert look(mine, plain) is SealFinding.VALID
    assert not (tmp_path / "keys").exists()
    set_up(monkeypatch, tmp_path, seal_p12=str(tmp_path / "own.p12"), seal_p12_password="wrong")
    with pytest.raises(SealFailed):
        seal(plain, TOLD)


# --- time stamps


@pytest.fixture
def stamps(tmp_path: Path) -> Iterator[str]:
    """A time-stamp authority of openssl's behind a web server on this machine."""
    (tmp_path / "tsa.cnf").write_text(TSA)
    (tmp_path / "serial").write_text("01\n")
    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.crt", "-days", "3650",
        "-subj", "/CN=Test TSA", "-addext", "extendedKeyUsage=critical,timeStamping", "-addext",
        "keyUsage=critical,digitalSignature", cwd=tmp_path)  # fmt: skip

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            (tmp_path / "query").write_bytes(query)
            run("ts", "-reply", "-queryfile", "query", "-config", "tsa.cnf", "-out", "reply", cwd=tmp_path)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write((tmp_path / "reply").read_bytes())

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join(10)
    server.server_close()


TSA = """
[tsa]
default_tsa = own
[own]
serial = serial
signer_cert = tsa.crt
signer_key = tsa.key
signer_digest = sha256
certs = tsa.crt
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = no
ess_cert_id_chain = no
"""


@pytest.mark.peer
@needs_openssl
def test_a_time_stamp_of_another_service_is_in_the_seal(
    plain: bytes, stamps: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, tmp_path, timestamp_url=stamps)
    mine = seal(plain, TOLD)
    assert look(mine, plain) is SealFinding.VALID
    (signature,) = PdfFileReader(io.BytesIO(mine)).embedded_signatures
    kinds = [attribute["type"].native for attribute in signature.signer_info["unsigned_attrs"]]
    assert kinds == ["signature_time_stamp_token"]
    if PDFSIG:
        assert "Signature is Valid" in pdfsig(mine, tmp_path)


def test_without_an_answer_of_the_time_stamp_service_nothing_is_sealed(
    plain: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(monkeypatch, tmp_path, timestamp_url="http://127.0.0.1:9/")
    with pytest.raises(SealFailed):
        seal(plain, TOLD)
