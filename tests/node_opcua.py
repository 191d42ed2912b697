"""node-opcua as the other side, with certificates and users of our choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from baro.edge import trust
from tests.node import NodeProgram
from tests.ports import free_port

URI = "urn:tester:7"


@cache
def key(number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class NodeServer:
    """One server; `start` and `stop` as often as needed, always with the same address and certificate."""

    folder: Path
    policies: Sequence[str] = ("Basic256Sha256",)
    anonymous: bool = True
    accept: bool = True
    di: bool = False
    uri: str = URI
    since: datetime | None = None
    lasts: timedelta = timedelta(days=30)
    key_number: int = 0

    def __post_init__(self) -> None:
        self.port = free_port()
        self.url = f"opc.tcp://127.0.0.1:{self.port}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.new_certificate(self.key_number)

    def new_certificate(self, number: int) -> None:
        since = self.since or datetime.now(UTC) - timedelta(hours=1)
        self.der = trust.self_signed(key(number), URI, "Tester", self.lasts, since)
        pem = key(number).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        (self.folder / "key.pem").write_bytes(pem)
        from cryptography import x509

        certificate = x509.load_der_x509_certificate(self.der)
        (self.folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def start(self) -> NodeProgram:
        told = {
            "port": self.port,
            "uri": self.uri,
            "certificate": str(self.folder / "certificate.pem"),
            "key": str(self.folder / "key.pem"),
            "pki": str(self.folder / "pki"),
            "policies": list(self.policies),
            "anonymous": self.anonymous,
            "accept": self.accept,
            "di": self.di,
        }
        self.program = NodeProgram("opcua.js", json.dumps(told), home=self.folder)
        self.program.expect("ready", 40)
        return self.program

    def stop(self) -> None:
        self.program.kill()
