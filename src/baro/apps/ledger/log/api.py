"""The log over REST: the newest checkpoint, and the proof of an entry."""

from __future__ import annotations

from base64 import b64encode

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router, Schema

from baro.apps.ledger.audit import open_to
from baro.apps.ledger.log.errors import EntryUnknown, LogEmpty
from baro.apps.ledger.log.queries import full_note, inclusion_proof, index_of, leaf_text, newest_checkpoint

router = Router(tags=["log"])


class EntryProof(Schema):
    """An entry of the trail with its proof. leaf: the text that is hashed. proof: hashes in base64, from the leaf
    upwards. checkpoint: the signed note of the size that the proof is for."""

    index: int
    size: int
    leaf: str
    proof: list[str]
    checkpoint: str


@router.get("/checkpoint", summary="The newest checkpoint")
def checkpoint(request: HttpRequest) -> HttpResponse:
    """The newest checkpoint as a signed note (C2SP), with the signatures of witnesses that have come."""
    found = newest_checkpoint()
    if found is None:
        raise LogEmpty
    return HttpResponse(full_note(found), content_type="text/plain; charset=utf-8")


@router.get("/entries/{entry}/proof", response=EntryProof, summary="The proof of an entry of the audit trail")
def entry_proof(request: HttpRequest, entry: int = Path(..., ge=1, lt=2**63)) -> EntryProof:
    """That an entry of the company's own trail is in the log, to be checked without this server."""
    # the leaf holds all that the entry says
    if not open_to(request.user).filter(id=entry).exists():
        raise EntryUnknown(entry=entry)
    leaf = leaf_text(entry)
    index = index_of(entry)
    found = newest_checkpoint()
    if found is None or index >= found.size:
        raise EntryUnknown(entry=entry)
    proof = inclusion_proof(index, found.size)
    return EntryProof(
        index=index,
        size=found.size,
        leaf=leaf,
        proof=[b64encode(value).decode() for value in proof],
        checkpoint=full_note(found),
    )
