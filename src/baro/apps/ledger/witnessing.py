"""`baro witness`: this installation as a witness of other installations' logs. It needs no database."""

from __future__ import annotations

import secrets
import sys

import uvicorn

from baro.apps.ledger.keys import kept_signer
from baro.apps.ledger.merkle.note import COSIGNATURE
from baro.apps.ledger.merkle.witness import Witness, application
from baro.config import config


def this_witness() -> Witness:
    """The witness that the settings describe. Raises NoteError for a key that is none."""
    name = config().witness_name or f"baro-witness/{secrets.token_hex(8)}"
    signer = kept_signer(config().home / "keys" / "witness.key", name, COSIGNATURE)
    return Witness(signer, config().witness_logs.values(), config().home / "witness")


def serve_witness(host: str, port: int) -> None:
    """Answer requests until the process is ended. Prints the public key first."""
    witness = this_witness()
    sys.stdout.write(f"{witness.signer.verifier.vkey}\n")
    sys.stdout.flush()
    uvicorn.run(application(witness), host=host, port=port, log_level="warning", lifespan="off")
