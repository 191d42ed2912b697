"""Certificates: Baro's own, and those of servers, which are trusted one by one or not at all.

Nothing is trusted by default. A certificate is trusted by its bytes, named by its thumbprint; who it was issued by
makes no difference. What a server shows and is not trusted is kept beside, so that a person can look at it.

Sources: OPC 10000-4 (6.1.3, steps of certificate validation), OPC 10000-6 (6.2.2, application instance
certificates), OPC 10000-12 (trust lists).
"""

from __future__ import annotations

import fcntl
import hashlib
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from baro.config import config
from baro.edge import secrets
from baro.edge.errors import (
    CertificateChangedError,
    CertificateExpiredError,
    CertificateForeignError,
    CertificateNotTrustedError,
    CertificateUnusableError,
)

KEY_SECRET = "opcua-application-key.pem"  # noqa: S105 - the name of the file
OWN_YEARS = 5
KEY_BITS_LEAST = 2048
REJECTED_MOST = 100


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a person needs to know of a certificate. thumbprint: SHA-256, hex; sha1: as OPC UA tools show it."""

    der: bytes
    thumbprint: str
    sha1: str
    subject: str
    application_uri: str
    valid_from: datetime
    valid_until: datetime
    key_bits: int

    @classmethod
    def read(cls, der: bytes) -> Certificate:
        """Raises CertificateUnusableError for what is no certificate with an RSA key."""
        try:
            parsed = x509.load_der_x509_certificate(der)
            key = parsed.public_key()
            if not isinstance(key, rsa.RSAPublicKey):
                raise CertificateUnusableError("not an RSA key", certificate=der)
            try:
                names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                uris = names.get_values_for_type(x509.UniformResourceIdentifier)
            except x509.ExtensionNotFound:
                uris = []
            return cls(
                der,
                hashlib.sha256(der).hexdigest(),
                hashlib.sha1(der, usedforsecurity=False).hexdigest(),
                parsed.subject.rfc4514_string(),
                uris[0] if uris else "",
                parsed.not_valid_before_utc,
                parsed.not_valid_after_utc,
                key.key_size,
            )
        except ValueError as error:
            raise CertificateUnusableError(str(error), certificate=der) from error

    def named(self, thumbprint: str) -> bool:
        """Is this its thumbprint, SHA-256 or SHA-1, however it is written?"""
        plain = "".join(c for c in thumbprint.lower() if c not in " :-")
        return plain in (self.thumbprint, self.sha1)


class TrustStore:
    """The trusted and the rejected certificates of one company, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def trusted(self) -> list[Certificate]:
        """The certificates that are trusted; none when there is no folder."""
        return _all_in(self.folder / "trusted")

    def rejected(self) -> list[Certificate]:
        """Certificates that servers showed and that were not trusted."""
        return _all_in(self.folder / "rejected")

    def keep_only(self, ders: Iterable[bytes]) -> None:
        """From now on these are trusted, and no others."""
        wanted = {f"{hashlib.sha256(der).hexdigest()}.der": der for der in ders}
        folder = self.folder / "trusted"
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.der"):
            if path.name not in wanted:
                path.unlink(missing_ok=True)
        for name, der in wanted.items():
            path = folder / name
            if not path.exists() or path.read_bytes() != der:
                _write(path, der)
            (self.folder / "rejected" / name).unlink(missing_ok=True)

    def check(self, der: bytes, application_uri: str, now: datetime | None = None) -> Certificate:
        """The certificate of a server that says it is `application_uri`, if it may be believed.

        Raises a CertificateRefusedError. What is only not trusted is kept with the rejected ones.
        """
        shown = Certificate.read(der)
        now = now or datetime.now(UTC)
        if shown.key_bits < KEY_BITS_LEAST:
            raise CertificateUnusableError(f"{shown.subject}: {shown.key_bits} bits", certificate=der)
        if shown.application_uri != application_uri:
            detail = f"{shown.application_uri or 'none'} instead of {application_uri}"
            raise CertificateForeignError(detail, certificate=der)
        if not shown.valid_from <= now <= shown.valid_until:
            span = f"{shown.valid_from:%Y-%m-%d} to {shown.valid_until:%Y-%m-%d}"
            raise CertificateExpiredError(f"{shown.subject}: valid from {span}", certificate=der)
        trusted = self.trusted()
        if any(one.der == der for one in trusted):
            return shown
        self._reject(shown)
        detail = f"{shown.subject}, thumbprint {shown.thumbprint}"
        before = [one for one in trusted if one.application_uri == application_uri]
        if before:
            raise CertificateChangedError(f"{detail}; trusted was {before[0].thumbprint}", certificate=der)
        raise CertificateNotTrustedError(detail, certificate=der)

    def _reject(self, shown: Certificate) -> None:
        folder = self.folder / "rejected"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{shown.thumbprint}.der"
        if not path.exists() and sum(1 for _ in folder.glob("*.der")) < REJECTED_MOST:
            _write(path, shown.der)


_store: ContextVar[TrustStore | None] = ContextVar("trust_store", default=None)


def store_of(company: str) -> TrustStore:
    """The trust store of a company, by its code."""
    return TrustStore(config().home / "trust" / company)


def store() -> TrustStore:
    """The trust store that counts here: the one of `using`, or else the configured company's."""
    return _store.get() or store_of(config().company)


@contextmanager
def using(chosen: TrustStore) -> Iterator[None]:
    """Drivers that are run in here believe this store and no other."""
    token = _store.set(chosen)
    try:
        yield
    finally:
        _store.reset(token)


@dataclass(frozen=True, slots=True)
class Own:
    """Baro's own application certificate with its key. `path`: the certificate, to be taken to a server."""

    certificate: Certificate
    parsed: x509.Certificate
    key: rsa.RSAPrivateKey
    path: Path


def own() -> Own:
    """Baro's own certificate, made at the first call. Two programs that ask at once get the same."""
    folder = config().home / "trust" / "own"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "baro.der"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            secrets.put(KEY_SECRET, pem)  # first, so that there is never a certificate without its key
            _write(path, self_signed(key, f"urn:{socket.gethostname()}:baro", "Baro", timedelta(days=365 * OWN_YEARS)))
    der = path.read_bytes()
    loaded = serialization.load_pem_private_key(secrets.get(KEY_SECRET), None)
    if not isinstance(loaded, rsa.RSAPrivateKey):
        raise CertificateUnusableError("Baro's own key is no RSA key")
    return Own(Certificate.read(der), x509.load_der_x509_certificate(der), loaded, path)


def self_signed(
    key: rsa.RSAPrivateKey, application_uri: str, name: str, lasts: timedelta, since: datetime | None = None
) -> bytes:
    """An application instance certificate (DER) for this computer, as OPC 10000-6, 6.2.2 asks for."""
    since = since or datetime.now(UTC) - timedelta(minutes=5)
    host = socket.gethostname()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {host}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = [x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _all_in(folder: Path) -> list[Certificate]:
    found = []
    for path in sorted(folder.glob("*.der")):
        try:
            found.append(Certificate.read(path.read_bytes()))
        except (CertificateUnusableError, FileNotFoundError):
            continue  # what cannot be read is not trusted
    return found


def _write(path: Path, der: bytes) -> None:
    new = path.with_suffix(f".{hashlib.sha256(der).hexdigest()[:8]}.new")
    new.write_bytes(der)
    new.replace(path)
