"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

A checkpoint is three lines, the log's origin, its size and its root, with one signature line a signer::

    plant.example/baro
    5
    qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=

    — plant.example/baro Az3grnm8…

Parsing is strict: one checkpoint has exactly one text.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from baro.apps.ledger.merkle.errors import NoteError
from baro.apps.ledger.merkle.proofs import LARGEST
from baro.apps.ledger.merkle.tree import EMPTY_ROOT

ED25519 = 0x01
COSIGNATURE = 0x04
LONGEST = 1_000_000
MOST_SIGNATURES = 100
_SIGNATURE = re.compile(r"— (\S+) (\S+)")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,19}")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name. kind: ED25519 for a log, COSIGNATURE for a witness. key: 32 bytes."""

    name: str
    kind: int
    key: bytes

    @property
    def key_id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The text that is given to whoever is to verify: name, id, key."""
        key = base64.b64encode(bytes([self.kind]) + self.key).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """From its text. Raises NoteError."""
        name, key_id, kind, key = _parse_key(vkey.strip().split("+", 2))
        if kind not in (ED25519, COSIGNATURE):
            raise NoteError(f"a key of an unknown kind: {vkey}")
        found = cls(name, kind, key)
        if found.key_id.hex() != key_id:
            raise NoteError(f"the key does not have the id that it names: {vkey}")
        return found

    def verify(self, text: str, signature: bytes) -> int | None:
        """Is `signature` (without the key id) this key's for `text`? The time it names (a witness's), or None.

        Raises NoteError.
        """
        message, moment = text.encode(), None
        if self.kind == COSIGNATURE:
            if len(signature) != 72:
                raise NoteError("a cosignature has 72 bytes")
            moment = int.from_bytes(signature[:8], "big")
            message, signature = _cosigned(text, moment), signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"the signature of {self.name} does not hold") from error
        return moment


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name. seed: 32 bytes."""

    name: str
    kind: int
    seed: bytes

    def __repr__(self) -> str:
        return f"Signer({self.name!r})"  # never the key

    @classmethod
    def new(cls, name: str, kind: int = ED25519) -> Signer:
        """A new key. Raises NoteError for a name that a note cannot hold."""
        if not _is_name(name):
            raise NoteError(f"a key cannot be named {name!r}")
        return cls(name, kind, Ed25519PrivateKey.generate().private_bytes_raw())

    @property
    def verifier(self) -> Verifier:
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return Verifier(self.name, self.kind, public)

    @property
    def text(self) -> str:
        """The text in which the key is kept: a secret."""
        key = base64.b64encode(bytes([self.kind]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{key}"

    @classmethod
    def parse(cls, text: str) -> Signer:
        """From its text. Raises NoteError."""
        if not text.startswith("PRIVATE+KEY+"):
            raise NoteError("this is no private key")
        name, key_id, kind, seed = _parse_key(text.strip().removeprefix("PRIVATE+KEY+").split("+", 2))
        found = cls(name, kind, seed)
        if kind not in (ED25519, COSIGNATURE) or found.verifier.key_id.hex() != key_id:
            raise NoteError("this is no private key of a known kind, or not the one it names")
        return found

    def sign(self, text: str, at: int | None = None) -> str:
        """The signature line for `text`, with its end of line. at: the time of a cosignature, in seconds (now)."""
        if self.kind == COSIGNATURE:
            moment = int(time.time()) if at is None else at
            signature = moment.to_bytes(8, "big") + self._key.sign(_cosigned(text, moment))
        else:
            signature = self._key.sign(text.encode())
        return f"— {self.name} {base64.b64encode(self.verifier.key_id + signature).decode()}\n"

    @property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself. signers: names of the known keys whose signatures hold, in the note's order;
    cosigned: name → time (seconds) of each known witness among them."""

    origin: str
    size: int
    root: bytes
    signers: tuple[str, ...] = ()
    cosigned: tuple[tuple[str, int], ...] = ()


def checkpoint_text(origin: str, size: int, root: bytes) -> str:
    """The text that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def open_note(text: str, vkeys: Iterable[str], origin: str | None = None) -> Checkpoint:
    """The checkpoint of a signed note. vkeys: the keys that are trusted, log and witnesses; others are passed over.

    At least one key of a log has to have signed, under the name that is the checkpoint's origin, and no signature
    of a trusted key may be wrong. origin: the log it has to be of. Raises NoteError.
    """
    body, lines = split_note(text)
    found_origin, size, root = parse_checkpoint(body)
    if origin is not None and found_origin != origin:
        raise NoteError(f"the checkpoint is of the log {found_origin}, not of {origin}")
    trusted = {(key.name, key.key_id): key for key in map(Verifier.parse, vkeys)}
    signers: dict[str, int | None] = {}
    by_log = False
    for name, key_id, signature in lines:
        key = trusted.get((name, key_id))
        if key is None:
            continue
        signers[name] = key.verify(body, signature)
        by_log |= key.kind == ED25519 and name == found_origin
    if not by_log:
        raise NoteError(f"no trusted key of the log {found_origin} has signed the checkpoint")
    cosigned = tuple((name, moment) for name, moment in signers.items() if moment is not None)
    return Checkpoint(found_origin, size, root, tuple(signers), cosigned)


def split_note(text: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The signed text of a note, and (name, key id, signature) of each signature line. Raises NoteError."""
    if len(text) > LONGEST or any((ch < " " and ch != "\n") or ch == "\x7f" for ch in text):
        raise NoteError("the note is too long or holds control characters")
    if any("\ud800" <= ch <= "\udfff" for ch in text):
        raise NoteError("the note is not UTF-8")
    at = text.rfind("\n\n")
    if at < 0 or not text.endswith("\n"):
        raise NoteError("the note has no signatures, or does not end with its last line")
    body, rest = text[: at + 1], text[at + 2 : -1].split("\n")
    if len(rest) > MOST_SIGNATURES:
        raise NoteError("the note has too many signatures")
    lines = []
    for line in rest:
        match = _SIGNATURE.fullmatch(line)
        if match is None or not _is_name(match[1]):
            raise NoteError("a signature line is malformed")
        signature = decode64(match[2])
        if len(signature) < 5:
            raise NoteError("a signature is too short")
        lines.append((match[1], signature[:4], signature[4:]))
    return body, lines


def parse_checkpoint(body: str) -> tuple[str, int, bytes]:
    """(origin, size, root) of the text of a checkpoint. Raises NoteError."""
    lines = body.split("\n")
    if len(lines) < 4 or lines[-1] != "" or not all(lines[:-1]):
        raise NoteError("a checkpoint has an origin, a size and a root, each in a line")
    origin, size, root = lines[0], lines[1], decode64(lines[2])
    if not _DECIMAL.fullmatch(size) or int(size) >= LARGEST:
        raise NoteError("the size of the checkpoint is no plain decimal number")
    if len(root) != 32 or (int(size) == 0) != (root == EMPTY_ROOT):
        raise NoteError("the root of the checkpoint does not fit its size")
    return origin, int(size), root


def decode64(text: str) -> bytes:
    """Standard base64 with its padding, in its one canonical form. Raises NoteError."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("not base64") from error
    if base64.b64encode(value).decode() != text:
        raise NoteError("not the canonical form of base64")
    return value


def _cosigned(text: str, moment: int) -> bytes:
    return f"cosignature/v1\ntime {moment}\n{text}".encode()


def _parse_key(parts: list[str]) -> tuple[str, str, int, bytes]:
    if len(parts) != 3 or not _is_name(parts[0]) or not re.fullmatch(r"[0-9a-f]{8}", parts[1]):
        raise NoteError("a key is written name+id+key")
    data = decode64(parts[2])
    if len(data) != 33:
        raise NoteError("a key has 32 bytes")
    return parts[0], parts[1], data[0], data[1:]


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(ch.isspace() or unicodedata.category(ch)[0] == "Z" for ch in name)
