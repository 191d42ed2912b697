"""Certificates: nothing is trusted that nobody trusted, and each refusal has its name."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from baro.config import config
from baro.edge import secrets, trust
from baro.edge.errors import (
    CertificateChangedError,
    CertificateExpiredError,
    CertificateForeignError,
    CertificateNotTrustedError,
    CertificateRefusedError,
    CertificateUnusableError,
    SecretMissingError,
)
from baro.edge.trust import TrustStore

URI = "urn:tester:7"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@cache
def key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(bits: int = 2048, number: int = 0, uri: str = URI, since: datetime = NOW) -> bytes:
    return trust.self_signed(key(bits, number), uri, "Tester", timedelta(days=100), since)


@pytest.mark.clause("Part 11 11.30", "Annex 11 12.1")
def test_nothing_is_trusted_before_somebody_trusts_it(tmp_path: Path) -> None:
    store, der = TrustStore(tmp_path), certificate()
    assert store.trusted() == []
    with pytest.raises(CertificateNotTrustedError) as refused:
        store.check(der, URI, NOW)
    thumbprint = trust.Certificate.read(der).thumbprint
    assert thumbprint in str(refused.value)
    assert refused.value.certificate == der
    assert [one.thumbprint for one in store.rejected()] == [thumbprint]
    store.keep_only([der])
    assert store.check(der, URI, NOW).thumbprint == thumbprint
    assert store.rejected() == []
    store.keep_only([])
    with pytest.raises(CertificateNotTrustedError):
        store.check(der, URI, NOW)


@pytest.mark.parametrize(
    ("der", "kind"),
    [
        (certificate(since=NOW - timedelta(days=101)), CertificateExpiredError),
        (certificate(since=NOW + timedelta(days=1)), CertificateExpiredError),
        (certificate(uri="urn:another"), CertificateForeignError),
        (certificate(bits=1024), CertificateUnusableError),
        (b"", CertificateUnusableError),
        (b"\x30\x82\x01\x00" + bytes(256), CertificateUnusableError),
        (certificate(number=1), CertificateChangedError),
    ],
    ids=["expired", "not yet", "foreign", "short key", "empty", "garbage", "changed"],
)
def test_even_what_is_trusted_may_be_refused(tmp_path: Path, der: bytes, kind: type[CertificateRefusedError]) -> None:
    store = TrustStore(tmp_path)
    if kind is CertificateChangedError:
        store.keep_only([certificate()])
    else:
        store.keep_only([der])
    with pytest.raises(kind):
        store.check(der, URI, NOW)


def test_a_thumbprint_may_be_written_in_any_way() -> None:
    shown = trust.Certificate.read(certificate())
    pairs = [shown.sha1[i : i + 2].upper() for i in range(0, 40, 2)]
    assert shown.named(shown.thumbprint)
    assert shown.named(":".join(pairs))
    assert shown.named(" ".join(pairs))
    assert not shown.named(shown.thumbprint[:-1])
    assert not shown.named("")


def test_a_damaged_file_in_the_store_is_not_trusted(tmp_path: Path) -> None:
    store, der = TrustStore(tmp_path), certificate()
    store.keep_only([der])
    (path,) = (tmp_path / "trusted").glob("*.der")
    path.write_bytes(der[:-1] + bytes([der[-1] ^ 1]))
    with pytest.raises(CertificateRefusedError):
        store.check(der, URI, NOW)
    store.keep_only([der])
    assert store.check(der, URI, NOW)


def test_baros_own_certificate_is_made_once_and_its_key_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config(), "home", tmp_path)
    own = trust.own()
    assert trust.own().certificate == own.certificate
    assert own.certificate.application_uri.startswith("urn:")
    assert own.certificate.application_uri.endswith(":baro")
    assert own.certificate.key_bits >= 3072
    mode = secrets.path_of(trust.KEY_SECRET).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert own.parsed.public_key().public_numbers() == own.key.public_key().public_numbers()


@pytest.mark.clause("Part 11 11.300(d)")
def test_secrets_are_files_that_only_baro_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config(), "home", tmp_path)
    secrets.put("press.password", "비밀".encode())
    assert secrets.text("press.password") == "비밀"
    assert secrets.text("") == ""
    assert stat.S_IMODE(secrets.path_of("press.password").stat().st_mode) == 0o600
    secrets.put("press.password", b"other")
    assert secrets.text("press.password") == "other"
    assert [path.name for path in secrets.folder().iterdir()] == ["press.password"]
    for name in ("nobody", "../x", "/etc/passwd", "", ".hidden", "A"):
        with pytest.raises(SecretMissingError):
            secrets.get(name)
