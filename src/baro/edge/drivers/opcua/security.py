"""How a session begins: which endpoint, whose certificate, which user. Whatever is in doubt is refused.

The list of endpoints is asked for without protection, so it is believed only in what the wanted security confirms:
the certificate is one that is trusted, and the session is opened with it or not at all.
"""

# asyncua declares types that its own values do not have
# mypy: disable-error-code="attr-defined,arg-type"

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncua import Client, ua
from asyncua.crypto import security_policies as policies
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from baro.edge import secrets, trust
from baro.edge.drivers.opcua.settings import OpcUaSettings
from baro.edge.errors import (
    ClientRefusedError,
    EdgeError,
    EndpointMissingError,
    LinkLostError,
    PasswordExposedError,
    ServerAwayError,
    UserRefusedError,
)

POLICIES: dict[str, Any] = {
    "Aes256_Sha256_RsaPss": policies.SecurityPolicyAes256Sha256RsaPss,
    "Basic256Sha256": policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": policies.SecurityPolicyAes128Sha256RsaOaep,
}
"""The policies that are still allowed, strongest first."""
NONE = policies.SecurityPolicyNone.URI
MODES = {"Sign": ua.MessageSecurityMode.Sign, "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt}
USER_CODES = {
    ua.StatusCodes.BadUserAccessDenied,
    ua.StatusCodes.BadIdentityTokenRejected,
    ua.StatusCodes.BadIdentityTokenInvalid,
}
CLIENT_CODES = {
    ua.StatusCodes.BadSecurityChecksFailed,
    ua.StatusCodes.BadCertificateUntrusted,
    ua.StatusCodes.BadCertificateInvalid,
    ua.StatusCodes.BadCertificateTimeInvalid,
    ua.StatusCodes.BadCertificateUriInvalid,
    ua.StatusCodes.BadCertificateUseNotAllowed,
    ua.StatusCodes.BadCertificateRevocationUnknown,
    ua.StatusCodes.BadCertificateIssuerRevocationUnknown,
    ua.StatusCodes.BadCertificateChainIncomplete,
    ua.StatusCodes.BadCertificateHostNameInvalid,
}


@dataclass(frozen=True, slots=True)
class Secured:
    """A client that is ready to connect. `certificate` of the server is None where security is None; `until`: when
    it or Baro's own ends."""

    client: Client
    endpoint: ua.EndpointDescription
    certificate: trust.Certificate | None = None
    until: datetime | None = None


async def prepare(settings: OpcUaSettings, timeout: float) -> Secured:
    """Ask for the endpoints, choose one, check the certificate, set up the user. Does not open a session.

    Raises ServerAwayError, EndpointMissingError, a CertificateRefusedError, PasswordExposedError, SecretMissingError.
    """
    with told(settings.url):
        endpoints = await Client(settings.url, timeout=timeout).connect_and_get_server_endpoints()
    endpoint = choose(endpoints, settings)
    client = Client(settings.url, timeout=timeout)
    client.name = client.description = "Baro"
    client.product_uri = "urn:baro"
    client.session_timeout = 120_000
    certificate = until = None
    if endpoint.SecurityPolicyUri != NONE:
        certificate = trust.store().check(_leaf(endpoint.ServerCertificate), str(endpoint.Server.ApplicationUri))
        own = await asyncio.to_thread(trust.own)
        client.application_uri = own.certificate.application_uri
        until = min(certificate.valid_until, own.certificate.valid_until)
        policy = next(policy for policy in POLICIES.values() if endpoint.SecurityPolicyUri == policy.URI)
        server = x509.load_der_x509_certificate(certificate.der)
        client.security_policy = policy(server, own.parsed, own.key, endpoint.SecurityMode, host_cert_chain=[])
        client.uaclient.set_security(client.security_policy)
    _set_user(client, settings, endpoint)
    return Secured(client, endpoint, certificate, until)


async def open_session(secured: Secured, url: str) -> None:
    """Connect. Raises ServerAwayError, ClientRefusedError, UserRefusedError."""
    with told(url):
        try:
            await secured.client.connect()
        except ConnectionError as error:
            if secured.certificate is None:
                raise
            # it answered a moment ago, and hangs up when it is shown our certificate: so servers tell strangers nothing
            raise _stranger("the server closed the link") from error


def choose(endpoints: Iterable[ua.EndpointDescription], settings: OpcUaSettings) -> ua.EndpointDescription:
    """The endpoint to be used: as the settings say, or the strongest. Raises EndpointMissingError."""
    offered = [one for one in endpoints if str(one.EndpointUrl).startswith("opc.tcp")]
    if settings.security == "None":
        wanted = [(NONE, ua.MessageSecurityMode.None_)]
    else:
        names = list(POLICIES) if settings.security == "best" else [settings.security]
        wanted = [(POLICIES[name].URI, MODES[settings.mode]) for name in names]
    for uri, mode in wanted:
        for one in offered:
            if (one.SecurityPolicyUri, one.SecurityMode) == (uri, mode):
                return one
    has = ", ".join(sorted({f"{_name(one.SecurityPolicyUri)} {one.SecurityMode.name}" for one in offered})) or "nothing"
    raise EndpointMissingError(f"wanted {settings.security} {settings.mode}, offered {has}")


@contextlib.contextmanager
def told(url: str) -> Iterator[None]:
    """What the client library raises, as one of ours."""
    try:
        yield
    except EdgeError:
        raise
    except ua.UaStatusCodeError as error:
        raise _as_ours(error) from error
    except (OSError, TimeoutError, ValueError, ua.UaError) as error:
        raise ServerAwayError(f"{url}: {type(error).__name__} {error}".rstrip()) from error


def _as_ours(error: Any) -> Exception:
    name = ua.StatusCode(error.code).name
    if error.code in USER_CODES:
        return UserRefusedError(name)
    if error.code in CLIENT_CODES:
        return _stranger(name)
    return LinkLostError(name)


def _stranger(detail: str) -> ClientRefusedError:
    own = trust.own()
    return ClientRefusedError(f"{detail}; Baro's certificate is {own.path}, thumbprint {own.certificate.thumbprint}")


def _set_user(client: Client, settings: OpcUaSettings, endpoint: ua.EndpointDescription) -> None:
    kind = ua.UserTokenType.Anonymous
    if settings.user:
        kind = ua.UserTokenType.UserName
    elif settings.user_certificate:
        kind = ua.UserTokenType.Certificate
    tokens = [token for token in endpoint.UserIdentityTokens or [] if token.TokenType == kind]
    if not tokens:
        raise UserRefusedError(f"the endpoint takes no {kind.name}")
    if settings.user:
        uri = tokens[0].SecurityPolicyUri or endpoint.SecurityPolicyUri
        if uri == NONE and endpoint.SecurityMode != ua.MessageSecurityMode.SignAndEncrypt:
            raise PasswordExposedError(f"user {settings.user}, {endpoint.SecurityMode.name}")
        if endpoint.SecurityPolicyUri == NONE:
            # it would be encrypted for a certificate that nobody checked
            raise PasswordExposedError(f"user {settings.user}, without a certificate that is trusted")
        client.set_user(settings.user)
        client.set_password(secrets.text(settings.password))
    elif settings.user_certificate:
        pem = secrets.get(settings.user_certificate)
        client.user_certificate = x509.load_pem_x509_certificate(pem)
        client.user_private_key = serialization.load_pem_private_key(secrets.get(settings.user_key), None)


def _leaf(chain: bytes | None) -> bytes:
    """The first certificate of a chain of DER."""
    found = chain or b""
    if len(found) > 4 and found[0] == 0x30 and found[1] == 0x82:
        return found[: 4 + int.from_bytes(found[2:4], "big")]
    return found


def _name(uri: str | None) -> str:
    return str(uri or "").rsplit("#", 1)[-1]
