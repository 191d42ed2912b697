"""The protocol of OpenID Connect as its client speaks it: code flow with PKCE, signed identity tokens. No records.

Sources: OpenID Connect Core 1.0 sections 3.1.2, 3.1.3.7; RFC 7636; RFC 9207; RFC 9700.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt
import requests
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

ALGORITHMS = ["RS256", "PS256", "ES256"]
"""Signatures that are believed: none with a shared key, and never `none`."""
TIMEOUT_S = 5
MOST_BYTES = 1 << 20
LEEWAY_S = 30


class Unbelieved(Exception):
    """What the provider, or whoever came in its name, said cannot be believed."""


@dataclass(frozen=True, slots=True)
class Client:
    """We, as the provider knows us."""

    issuer: str
    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in that is going on: what only this browser may bring back."""

    state: str
    nonce: str
    verifier: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def begin(client: Client, redirect_uri: str) -> tuple[str, Flow]:
    """The provider's address to send the browser to, and the flow. Raises Unbelieved."""
    there = _discovered(client)["authorization_endpoint"]
    speaks = WebApplicationClient(client.client_id)
    flow = Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(32), speaks.create_code_verifier(64))
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "scope": "openid profile email",
        "state": flow.state,
        "nonce": flow.nonce,
        "code_challenge": speaks.create_code_challenge(flow.verifier, "S256"),
        "code_challenge_method": "S256",
    }
    address = f"{there}{'&' if '?' in there else '?'}{urlencode(asked)}"
    return address, flow


def finish(client: Client, flow: Flow, redirect_uri: str, answered: str) -> dict[str, Any]:
    """The claims of the identity token for which the provider takes the code in `answered`. Raises Unbelieved.

    answered: the whole address that the browser came back with.
    """
    found = _discovered(client)
    speaks = WebApplicationClient(client.client_id)
    try:
        # https stands for whatever our own proxy speaks; the state is what counts
        told = speaks.parse_request_uri_response(answered.replace("http://", "https://", 1), state=flow.state)
    except (OAuth2Error, ValueError) as error:
        raise Unbelieved from error
    if told.get("iss", client.issuer) != client.issuer:
        raise Unbelieved
    body = speaks.prepare_request_body(
        code=told.get("code"), redirect_uri=redirect_uri, code_verifier=flow.verifier, include_client_id=True
    )
    auth = (client.client_id, client.secret) if client.secret else None
    answer = _ask("POST", found["token_endpoint"], data=body, auth=auth)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise Unbelieved
    return _claims(client, flow, token, _ask("GET", found["jwks_uri"]))


def _claims(client: Client, flow: Flow, token: str, keys: dict[str, Any]) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            raise Unbelieved
        known = [key for key in jwt.PyJWKSet.from_dict(keys).keys if key.public_key_use in (None, "sig")]
        mine = [key for key in known if key.key_id == header.get("kid")] if "kid" in header else known
        if len(mine) != 1:
            raise Unbelieved
        claims: dict[str, Any] = jwt.decode(
            token,
            mine[0].key,
            algorithms=[header["alg"]],
            audience=client.client_id,
            issuer=client.issuer,
            leeway=LEEWAY_S,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"], "strict_aud": False},
        )
    except jwt.PyJWTError as error:
        raise Unbelieved from error
    party = claims.get("azp", client.client_id)
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if party != client.client_id or (several and "azp" not in claims):
        raise Unbelieved
    if not secrets.compare_digest(str(claims["nonce"]).encode(), flow.nonce.encode()):
        raise Unbelieved
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise Unbelieved
    return claims


def _discovered(client: Client) -> dict[str, str]:
    """The provider's description of itself, which has to name the issuer that was approved."""
    found = _ask("GET", client.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if found.get("issuer") != client.issuer:
        raise Unbelieved
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not isinstance(found.get(name), str) or not is_safe(found[name]):
            raise Unbelieved
    return found


def is_safe(address: str) -> bool:
    """HTTPS; plain HTTP on this machine only."""
    parts = urlsplit(address)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _ask(method: str, address: str, **more: Any) -> dict[str, Any]:
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    try:
        with requests.request(
            method, address, timeout=TIMEOUT_S, allow_redirects=False, stream=True, headers=headers, **more
        ) as answer:
            if answer.status_code != 200 or int(answer.headers.get("Content-Length") or 0) > MOST_BYTES:
                raise Unbelieved
            body = answer.raw.read(MOST_BYTES + 1, decode_content=True)
            if len(body) > MOST_BYTES:
                raise Unbelieved
            found = requests.compat.json.loads(body)
    except (requests.RequestException, ValueError) as error:
        raise Unbelieved from error
    if not isinstance(found, dict):
        raise Unbelieved
    return found
