"""Sealing printed records: PAdES signatures in PDF files, by the installation's own document key.

A file is signed in a further revision, so its first revision stays, byte for byte, what was rendered. The
signature certifies the document: no later change is allowed. Name, reason and time are those of the person who
signed the record; the key is the installation's. ETSI EN 319 142-1 (PAdES B-B, B-T with a time stamp).
"""

from __future__ import annotations

import io
import logging
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import cms, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import models
from django.utils.translation import gettext_lazy as _
from pyhanko.keys import load_cert_from_pemder, load_certs_from_pemder_data, load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter
from pyhanko.sign.timestamps import HTTPTimeStamper
from pyhanko.sign.validation import EmbeddedPdfSignature, validate_pdf_signature
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from baro.apps.ledger.errors import BaroError
from baro.config import config

# what is wrong with a file is the answer, not an event of the program
logging.getLogger("pyhanko.sign.validation").setLevel(logging.CRITICAL)

FIELD = "BaroSeal"
YEARS = timedelta(days=365 * 30)
"""How long the certificates are good for: longer than any record of a lot is kept."""


class SealFailed(BaroError):
    code = "LED-0014"
    status = 503
    message = _("The printed record could not be sealed: %(why)s.")
    advice = _("Ask your administrator to look at the key of the document seal and at the time-stamp service.")


class SealFinding(models.TextChoices):
    """What is found when the seal of a printed record is looked at."""

    VALID = "valid", _("seal valid")
    CHANGED = "changed", _("changed after it was sealed")
    OTHER_KEY = "other_key", _("sealed with another key")
    UNSEALED = "unsealed", _("not sealed")


@dataclass(frozen=True, slots=True)
class Sealing:
    """What the seal says: who signed the record, why, where and when."""

    name: str
    reason: str
    location: str
    at: datetime


class _DatedSigner(signers.PdfSigner):
    """A signer whose signature carries the time of the person's, not of this moment."""

    def __init__(self, *args: object, at: datetime, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.at = at

    def init_signing_session(
        self, pdf_out: IncrementalPdfFileWriter, existing_fields_only: bool = False
    ) -> signers.PdfSigningSession:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.at
        return session


def seal(pdf: bytes, told: Sealing) -> bytes:
    """`pdf` with a certifying signature in a further revision.

    Raises SealFailed; ValueError for a time without zone.
    """
    if told.at.utcoffset() is None:
        raise ValueError(f"{told.at} has no time zone")
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        name=told.name,
        reason=told.reason,
        location=told.location,
        subfilter=SigSeedSubFilter.PADES,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
    )
    url = config().timestamp_url
    try:
        signer = _DatedSigner(
            metadata, signer=_signer(), timestamper=HTTPTimeStamper(url, timeout=20) if url else None, at=told.at
        )
        out = signer.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)))
    except Exception as error:  # the library, the network and the key file each have errors of their own
        raise SealFailed(why=str(error) or type(error).__name__) from error
    return bytes(out.getvalue())


def look(pdf: bytes, first_revision: bytes | None = None) -> SealFinding:
    """What is to be said of the seal of `pdf`; `first_revision`: what its first revision must be, byte for byte."""
    if first_revision is not None and not pdf.startswith(first_revision):
        return SealFinding.CHANGED
    try:
        signatures = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
        if len(signatures) != 1:
            return SealFinding.UNSEALED if not signatures else SealFinding.CHANGED
        if not _written_as_sealed(pdf, signatures[0]):
            return SealFinding.CHANGED
        at = signatures[0].self_reported_timestamp or datetime.now(UTC)
        status = validate_pdf_signature(
            signatures[0],
            ValidationContext(trust_roots=[_trusted()], allow_fetching=False, moment=at),
            ts_validation_context=_anyones(signatures[0], at),
        )
    except Exception:  # whatever is wrong with the file, it is not the one that was sealed
        return SealFinding.CHANGED
    if not (status.intact and status.valid and status.coverage.name == "ENTIRE_FILE"):
        return SealFinding.CHANGED
    return SealFinding.VALID if status.trusted else SealFinding.OTHER_KEY


def _written_as_sealed(pdf: bytes, signature: EmbeddedPdfSignature) -> bool:
    """Is the signature itself, which no signature can cover, written in the one way in which it was written?"""
    start, length, end, _rest = (int(number) for number in signature.sig_object["/ByteRange"])
    content = bytes(signature.pkcs7_content)
    used = sum(len(part) for part in parser.parse(content, strict=False)[3:])
    data, info = signature.signed_data, signature.signer_info
    algorithm = {"algorithm": "sha256", "parameters": None}
    said = [
        *(dict(entry.native) == algorithm for entry in (info["digest_algorithm"], *data["digest_algorithms"])),
        (data["version"].native, info["version"].native) == ("v1", "v1"),
        dict(data["encap_content_info"].native) == {"content_type": "data", "content": None},
        info["signature_algorithm"]["algorithm"].native in ("sha256_ecdsa", "sha256_rsa"),
        info["sid"].chosen.dump() == _issued(signature.signer_cert).dump(),
        cms.ContentInfo({"content_type": "signed_data", "content": data}).dump(force=True) == content[:used],
    ]
    written = start == 0 and not any(content[used:]) and pdf[length:end] == b"<" + content.hex().upper().encode() + b">"
    return written and all(said)


def _issued(certificate: asn1_x509.Certificate) -> cms.IssuerAndSerialNumber:
    return cms.IssuerAndSerialNumber({"issuer": certificate.issuer, "serial_number": certificate.serial_number})


def authority() -> Path:
    """The certificate of the installation's authority, for whoever checks a printed record elsewhere (PEM)."""
    _own()
    return _folder() / "seal-ca.crt"


def _signer() -> signers.SimpleSigner:
    if config().seal_p12:
        signer = signers.SimpleSigner.load_pkcs12(
            config().seal_p12, passphrase=config().seal_p12_password.encode() or None
        )
        if signer is None:
            raise SealFailed(why="BARO_SEAL_P12")
        return signer
    pem = _own().read_bytes()
    chain = list(load_certs_from_pemder_data(pem))
    store = SimpleCertificateStore()
    store.register_multiple(chain[1:])
    return signers.SimpleSigner(
        signing_cert=chain[0],
        signing_key=load_private_key_from_pemder_data(pem, passphrase=None),
        cert_registry=store,
        embed_roots=False,  # whoever checks has it from elsewhere, or has no reason to believe it
    )


def _trusted() -> object:
    """The certificate that a valid seal leads to: the own authority's, or the last of the plant's own chain."""
    if not config().seal_p12:
        return load_cert_from_pemder(str(authority()))
    signer = _signer()
    issued = {cert.issuer.hashable: cert for cert in signer.cert_registry if cert.issuer == cert.subject}
    cert = signer.signing_cert
    return issued.get(cert.issuer.hashable) or next(iter(issued.values()), cert)


def _anyones(signature: EmbeddedPdfSignature, at: datetime) -> ValidationContext | None:
    """A time stamp is checked against the certificates it brings: what it proves to us is that it was not altered."""
    for attribute in signature.signer_info["unsigned_attrs"]:
        if attribute["type"].native == "signature_time_stamp_token":
            certificates = [cert.chosen for cert in attribute["values"][0]["content"]["certificates"]]
            return ValidationContext(trust_roots=certificates, allow_fetching=False, moment=at)
    return None


def _folder() -> Path:
    return config().home / "keys"


def _own() -> Path:
    """The installation's own seal: key, certificate and authority in one file of mode 0600, made once."""
    folder = _folder()
    kept = folder / "seal.pem"
    if not kept.exists():
        _once(folder / "seal-ca.pem", _new_authority)
        authority_pem = (folder / "seal-ca.pem").read_bytes()
        _once(kept, lambda: _new_seal(authority_pem))
    public = folder / "seal-ca.crt"
    if not public.exists():
        certificate = x509.load_pem_x509_certificates((folder / "seal-ca.pem").read_bytes())[0]
        _once(public, lambda: certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return kept


def _once(path: Path, make: Callable[[], bytes], mode: int = 0o600) -> None:
    """Write a file whole before it has its name; whoever comes second uses the file of the first."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, prefix=".new-") as file:
        file.write(make())
        file.flush()
        os.fsync(file.fileno())
        os.chmod(file.name, mode)
        with suppress(FileExistsError):
            os.link(file.name, path)


def _new_authority() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"Baro installation authority {secrets.token_hex(4)}")
    certificate = _certificate(name, name, key.public_key(), ca=True).sign(key, hashes.SHA256())
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _new_seal(authority_pem: bytes) -> bytes:
    issuer = x509.load_pem_x509_certificates(authority_pem)[0]
    issuer_key = serialization.load_pem_private_key(authority_pem, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"Baro document seal {secrets.token_hex(4)}")
    builder = _certificate(name, issuer.subject, key.public_key(), ca=False)
    certificate = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
    ).sign(issuer_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return _pem(key) + certificate.public_bytes(pem) + issuer.public_bytes(pem)


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool
) -> x509.CertificateBuilder:
    # a day of grace for clocks that are behind
    start = datetime.now(UTC) - timedelta(days=1)
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    for name in ("key_cert_sign", "crl_sign") if ca else ("digital_signature", "content_commitment"):
        usage[name] = True
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + YEARS)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
