"""Checkpoints leave the server: into a folder elsewhere, and to witnesses that cosign them.

Before anything outside is overwritten, the log has to prove that it goes on from it. A log that was shortened or
rewritten, by a restored database for one, shows here and stops being published.
"""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from baro.apps.ledger.keys import write_whole
from baro.apps.ledger.log.queries import consistency_proof, full_note, log_size
from baro.apps.ledger.merkle import NoteError, ProofError, Verifier, open_note, verify_consistency
from baro.apps.ledger.merkle.note import split_note
from baro.apps.ledger.merkle.witness import PATH, SIZE_TYPE, request_body
from baro.apps.ledger.models import Checkpoint, Cosignature

log = logging.getLogger(__name__)

LATEST = "latest"
PATIENCE_S = 5.0


class NotPublished(Exception):
    """A checkpoint could not be given away. conflict: what is outside does not fit the log."""

    def __init__(self, reason: str, *, conflict: bool = False) -> None:
        super().__init__(reason)
        self.conflict = conflict


def publish_to_folder(checkpoint: Checkpoint, folder: Path, using: str = "default") -> None:
    """Write the checkpoint as ``latest`` and as that of its day (UTC, ``2026-01-31``). Raises NotPublished."""
    latest = folder / LATEST
    try:
        if latest.exists():
            _goes_on(latest.read_text(encoding="utf-8"), checkpoint, using)
        day = checkpoint.at.astimezone(UTC).date().isoformat()
        for name in (day, LATEST):
            write_whole(folder / name, full_note(checkpoint))
    except (OSError, UnicodeDecodeError) as error:
        raise NotPublished(f"{folder}: {error}") from error


def _goes_on(outside: str, checkpoint: Checkpoint, using: str) -> None:
    """Raises NotPublished unless the log of `checkpoint` goes on from the checkpoint outside."""
    origin = Verifier.parse(checkpoint.key).name
    try:
        before = open_note(outside, [checkpoint.key], origin)
        if before.size > checkpoint.size:
            raise ProofError(f"the log holds {checkpoint.size} entries, and held {before.size} before")
        if before.size:
            proof = consistency_proof(before.size, checkpoint.size, using)
            verify_consistency(before.size, checkpoint.size, before.root, bytes(checkpoint.root), proof)
    except ProofError as error:
        raise NotPublished(f"the checkpoint outside does not fit the log: {error}", conflict=True) from error


@dataclass(frozen=True, slots=True)
class WitnessLink:
    """A witness: where it is asked, and its public key (vkey)."""

    address: str
    vkey: str

    @property
    def name(self) -> str:
        return Verifier.parse(self.vkey).name

    def cosign(self, checkpoint: Checkpoint, using: str = "default") -> Cosignature:
        """Have the checkpoint cosigned and keep the signature. Raises NotPublished."""
        held = Cosignature.objects.using(using).filter(witness=self.name)
        seen = held.order_by("-checkpoint__size").values_list("checkpoint__size", flat=True).first() or 0
        status, answer = self._ask(checkpoint, min(seen, checkpoint.size), using)
        if status == 409 and answer.strip().isdigit() and int(answer) != min(seen, checkpoint.size):
            # it has seen another size than we remember
            if int(answer) > log_size(using):
                reason = f"witness {self.name} has seen {int(answer)} entries, and the log holds fewer"
                raise NotPublished(reason, conflict=True)
            if int(answer) > checkpoint.size:
                raise NotPublished(f"witness {self.name} has seen a later checkpoint already")
            status, answer = self._ask(checkpoint, int(answer), using)
        if status != 200:
            raise NotPublished(f"witness {self.name} answers {status}: {answer.strip()}", conflict=status in (409, 422))
        body, _ = split_note(checkpoint.note)
        try:
            _, lines = split_note(f"{body}\n{answer}")
            moments = [self._moment(body, *line) for line in lines]
            moment = next(each for each in moments if each is not None)
        except (NoteError, StopIteration) as error:
            raise NotPublished(f"the answer of witness {self.name} is not signed by its key") from error
        at = datetime.fromtimestamp(moment, UTC)
        # the signatures of strangers that came along are not kept
        own = next(line for line in answer.splitlines(keepends=True) if line.startswith(f"— {self.name} "))
        kept, _ = Cosignature.objects.using(using).get_or_create(
            checkpoint=checkpoint, witness=self.name, defaults={"line": own, "at": at}
        )
        return kept

    def _moment(self, body: str, name: str, key_id: bytes, signature: bytes) -> int | None:
        key = Verifier.parse(self.vkey)
        return key.verify(body, signature) if (name, key_id) == (key.name, key.key_id) else None

    def _ask(self, checkpoint: Checkpoint, old_size: int, using: str) -> tuple[int, str]:
        proof = consistency_proof(old_size, checkpoint.size, using) if 0 < old_size < checkpoint.size else []
        if not self.address.startswith(("http://", "https://")):
            raise NotPublished(f"{self.address} is no address of a witness")
        request = urllib.request.Request(  # noqa: S310 - the scheme has just been looked at
            self.address.rstrip("/") + PATH, request_body(old_size, proof, checkpoint.note), method="POST"
        )
        try:
            with _ASKING.open(request, timeout=PATIENCE_S) as response:
                return response.status, response.read(LONGEST_ANSWER).decode()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read(LONGEST_ANSWER).decode(errors="replace")
            if error.code == 409 and error.headers.get_content_type() != SIZE_TYPE:
                text = ""
            return error.code, text
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            raise NotPublished(f"witness {self.name} cannot be reached: {error}") from error


LONGEST_ANSWER = 10_000


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A witness is where the settings say; wherever else an answer points to is not asked."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


_ASKING = urllib.request.build_opener(_NoRedirect)
