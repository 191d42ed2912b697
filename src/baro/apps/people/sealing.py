"""Secrets that must be read again are kept encrypted, under a key that is not in the database."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def sealed(text: str) -> str:
    """`text` encrypted and authenticated (Fernet) under a key derived from the secret key of the installation."""
    return _fernet(settings.SECRET_KEY).encrypt(text.encode()).decode()


def unsealed(token: str, ttl: int | None = None) -> str:
    """The text of `sealed`, at most `ttl` seconds old. Raises cryptography.fernet.InvalidToken."""
    return _fernet(settings.SECRET_KEY).decrypt(token.encode(), ttl).decode()


@cache
def _fernet(secret: str) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=b"baro people secrets v1").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
