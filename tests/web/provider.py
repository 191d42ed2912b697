"""A small OpenID provider on loopback, as a process of its own: RS256, PKCE, client secret, every code good once.

It signs whatever the test tells it to (POST /told), so that it can also be one that lies.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "baro", "client secret of the test"
KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
told: dict[str, Any] = {}
codes: dict[str, dict[str, str]] = {}


def jwks() -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [public | {"kid": "k1", "use": "sig", "alg": "RS256"}]}


def signed(claims: dict[str, Any]) -> str:
    way, kid = told.get("way", "RS256"), {"kid": told.get("kid", "k1")}
    if way == "none":
        return jwt.encode(claims, None, algorithm="none", headers=kid)
    if way == "HS256":
        return jwt.encode(claims, SECRET.ljust(64, "x"), algorithm="HS256", headers=kid)
    return jwt.encode(claims, OTHER if way == "other key" else KEY, algorithm="RS256", headers=kid)


class Provider(BaseHTTPRequestHandler):
    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path in told.get("moved", ()):
            self.send_response(302)
            self.send_header("Location", f"{self.issuer}{path}/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        path = path.removesuffix("/")
        if path == "/.well-known/openid-configuration":
            self._json(
                {
                    "issuer": told.get("discovered", self.issuer),
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/jwks",
                }
            )
        elif path == "/jwks":
            self._json(jwks())
        elif path == "/authorize":
            code = secrets.token_urlsafe(16)
            codes[code] = {name: values[0] for name, values in asked.items()}
            back = {"code": code, "state": asked["state"][0], "iss": told.get("back_iss", self.issuer)}
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri'][0]}?{urlencode(back)}")
            self.end_headers()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/told":
            told.clear()
            told.update(json.loads(body))
            self._json({})
            return
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        asked = codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        right = (
            asked is not None
            and asked["code_challenge_method"] == "S256"
            and asked["code_challenge"] == challenge.decode().rstrip("=")
            and asked["redirect_uri"] == form["redirect_uri"]
            and self.headers["Authorization"] == f"Basic {basic}"
        )
        if not right:
            self._json({"error": "invalid_grant"}, 400)
            return
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "s-1", "nonce": asked["nonce"], "iat": now, "exp": now + 60}
        claims = {name: value for name, value in (claims | told.get("claims", {})).items() if value is not None}
        self._json({"access_token": "x", "token_type": "Bearer", "id_token": signed(claims)})

    def _json(self, body: dict[str, Any], status: int = 200) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    sys.stdin.close()
    server.serve_forever()
