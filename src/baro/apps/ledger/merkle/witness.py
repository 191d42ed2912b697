"""A witness of logs (C2SP tlog-witness): it cosigns a checkpoint that goes on from the last one it saw, and no other.

So nobody, not even who holds the log's key and its database, can take back what a witness has seen. It needs no
database: of each log it keeps the newest checkpoint in a file.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from baro.apps.ledger.merkle.errors import NoteError, ProofError
from baro.apps.ledger.merkle.note import Checkpoint, Signer, Verifier, decode64, open_note, parse_checkpoint, split_note
from baro.apps.ledger.merkle.proofs import verify_consistency

PATH = "/add-checkpoint"
LARGEST_BODY = 64 * 1024
MOST_HASHES = 63
SIZE_TYPE = "text/x.tlog.size"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. body: signature lines, a size, or what is wrong."""

    status: int
    body: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass
class Witness:
    """signer: the witness's key. logs: public keys (vkeys) of the logs it follows; a key's name is the log's origin.
    folder: where it keeps the newest checkpoint of each."""

    signer: Signer
    logs: Iterable[str]
    folder: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self.keys: dict[str, list[str]] = {}
        for vkey in self.logs:
            self.keys.setdefault(Verifier.parse(vkey).name, []).append(vkey)
        self.folder.mkdir(parents=True, exist_ok=True)

    def newest(self, origin: str) -> Checkpoint | None:
        """The newest checkpoint of a log that this witness has cosigned. Raises NoteError for a spoiled file."""
        path = self._path(origin)
        return open_note(path.read_text(encoding="utf-8"), self.keys[origin], origin) if path.exists() else None

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request: cosign, or say why not."""
        try:
            old_size, proof, note = parse_request(body)
            text, _ = split_note(note)
            origin, _, _ = parse_checkpoint(text)
        except (ProofError, UnicodeDecodeError) as error:
            return Answer(400, f"{error}\n")
        if origin not in self.keys:
            return Answer(404, f"this witness does not follow the log {origin}\n")
        try:
            checkpoint = open_note(note, self.keys[origin], origin)
        except NoteError as error:
            return Answer(403, f"{error}\n")
        if old_size > checkpoint.size:
            return Answer(400, "the old size is greater than that of the checkpoint\n")
        with self._alone():
            return self._decide(checkpoint, note, text, old_size, proof)

    def _decide(self, checkpoint: Checkpoint, note: str, text: str, old_size: int, proof: list[bytes]) -> Answer:
        try:
            newest = self.newest(checkpoint.origin)
        except NoteError as error:
            # the log's key was replaced, or the file spoiled: a person has to look
            return Answer(403, f"the checkpoint that this witness keeps: {error}\n")
        held = newest.size if newest else 0
        if old_size != held:
            return Answer(409, f"{held}\n", SIZE_TYPE)
        if newest and checkpoint.size == held:
            if checkpoint.root != newest.root:
                return Answer(409, f"{held}\n", SIZE_TYPE)
            if proof:
                return Answer(422, "a checkpoint of the same size needs no proof\n")
        elif held:
            assert newest is not None
            try:
                verify_consistency(held, checkpoint.size, newest.root, checkpoint.root, proof)
            except ProofError as error:
                return Answer(422, f"{error}\n")
        elif proof:
            return Answer(422, "nothing can be proven about an empty log\n")
        # kept before it is signed: what was signed is never forgotten
        _write(self._path(checkpoint.origin), note)
        return Answer(200, self.signer.sign(text))

    def _path(self, origin: str) -> Path:
        return self.folder / f"{sha256(origin.encode()).hexdigest()[:32]}.checkpoint"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One request at a time, in whatever thread or process."""
        with self._lock, (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def request_body(old_size: int, proof: Iterable[bytes], note: str) -> bytes:
    """What is sent to a witness."""
    from base64 import b64encode

    lines = "".join(f"{b64encode(value).decode()}\n" for value in proof)
    return f"old {old_size}\n{lines}\n{note}".encode()


def parse_request(body: bytes) -> tuple[int, list[bytes], str]:
    """(old size, proof, note) of a request. Raises NoteError, UnicodeDecodeError."""
    head, gap, note = body.decode().partition("\n\n")
    lines = head.split("\n")
    size = lines[0].removeprefix("old ")
    plain = size.isascii() and size.isdigit() and (size == "0" or size[0] != "0") and len(size) < 20
    if not gap or not lines[0].startswith("old ") or not plain or len(lines) > MOST_HASHES + 1:
        raise NoteError("a request is an old size, a proof, an empty line and a checkpoint")
    proof = [decode64(line) for line in lines[1:]]
    if any(len(value) != 32 for value in proof):
        raise NoteError("a hash is not 32 bytes long")
    return int(size), proof, note


def application(witness: Witness) -> Callable[..., Awaitable[None]]:
    """The witness as an ASGI application."""

    async def answer(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more and len(body) <= LARGEST_BODY:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        if scope["path"] != PATH:
            found = Answer(404, "there is only add-checkpoint here\n")
        elif scope["method"] != "POST":
            found = Answer(405, "checkpoints are sent by POST\n")
        elif len(body) > LARGEST_BODY:
            found = Answer(413, "too large\n")
        else:
            found = witness.add_checkpoint(body)
        headers = [(b"content-type", found.content_type.encode()), (b"x-content-type-options", b"nosniff")]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": found.body.encode()})

    return answer


def _write(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
