"""Does a signature hold now? And: what one session of signing asks for (21 CFR 11.50, 11.70, 11.200).

Every room says in its `for_ledger` module what of it can be signed, and how the signed content is found
again from the records as they are. So the question can be asked of any signature there is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from django.db import models
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger import errors
from baro.apps.ledger.models import Meaning, Signature
from baro.apps.ledger.services import Opened, Signer, change, content_hash, seal_of, sign, signatures_of
from baro.config import config

Content = Mapping[str, Any]
KEY = "signing"
DIALOGS_KEPT = 8
OPEN_FOR = timedelta(hours=1)


class Finding(models.TextChoices):
    """What is found when a signature is looked at again."""

    VALID = "valid", _("valid: stands for the record as it is now")
    RECORD_CHANGED = "record_changed", _("invalid: changed after signature")
    MOVED = "moved", _("invalid: belongs to another record")
    FIELDS_CHANGED = "fields_changed", _("invalid: the signature itself was altered")
    RECORD_MISSING = "record_missing", _("invalid: the signed record is not there")


@dataclass(frozen=True, slots=True)
class Signable:
    """A kind of record that is signed. `content_of` gives the signed content as the records say it now:
    for a signature what it stood for; for None what a signature of the record would stand for."""

    record_type: str
    label: str | Promise
    content_of: Callable[[UUID, Signature | None], Content | None]


class Session(Protocol):
    """Django's session, as far as it is used here."""

    session_key: str | None

    def get(self, key: str, default: Any = None) -> Any: ...
    def __setitem__(self, key: str, value: Any) -> None: ...


_known: dict[str, Signable] = {}
_provers: list[Callable[[Any, str, str | None], None]] = []


def signable(
    record_type: str, label: str | Promise, content_of: Callable[[UUID, Signature | None], Content | None]
) -> None:
    """Tell the ledger how a kind of record is signed. Raises ValueError when it was told otherwise before."""
    known = _known.setdefault(record_type, Signable(record_type, label, content_of))
    if known.content_of is not content_of:
        raise ValueError(f"{record_type} is registered already")


def signables() -> Mapping[str, Signable]:
    """Everything that can be signed, by record type."""
    return _known


def proves_identity(prove: Callable[[Any, str, str | None], None]) -> None:
    """Tell the ledger how a person proves who they are: (person, password, address), recorded; raises if not."""
    _provers[:] = [prove]


def prove(signer: Signer, password: str, address: str | None) -> None:
    """Have the identity proven and the attempt recorded. Raises WrongPassword or Locked."""
    _provers[0](signer, password, address)


def check(signature: Signature, shown_at: UUID | None = None) -> Finding:
    """Does `signature` hold now? `shown_at`: the record that shows it, when that is known."""
    if shown_at is not None and shown_at != signature.record_id:
        return Finding.MOVED
    if seal_of(signature) != signature.seal:
        # a copy of another signature's row carries that one's seal
        original = Signature.objects.filter(seal=signature.seal).exclude(id=signature.id)
        return Finding.MOVED if original.exists() else Finding.FIELDS_CHANGED
    known = _known.get(signature.record_type)
    content = known.content_of(signature.record_id, signature) if known else None
    if content is None:
        return Finding.RECORD_MISSING
    return Finding.VALID if content_hash(content) == signature.content_hash else Finding.RECORD_CHANGED


def check_all(signatures: models.QuerySet[Signature] | None = None) -> list[tuple[Signature, Finding]]:
    """Every signature of the company with what is found, oldest first."""
    found = Signature.objects.all() if signatures is None else signatures
    return [(signature, check(signature)) for signature in found.order_by("recorded_at", "id")]


@dataclass(frozen=True, slots=True)
class Read:
    """One line of a list to be signed: the record, the content hash on the page, and whether it was marked as read."""

    record_type: str
    record_id: UUID
    seen: str
    read: bool
    name: str = ""


def sign_list(
    signer: Signer,
    password: str,
    records: Sequence[Read],
    *,
    meaning: Meaning,
    reason: str,
    permission: str = "",
    address: str | None = None,
    opened: Opened | None = None,
) -> list[Signature]:
    """Sign several records by one act; each is listed, was read, and gets a signature of its own, or none does.

    `opened` is a dialog for the whole list: its record is that of the first line. Raises NotRead with the
    lines that were not marked, RecordChanged when one says something else by now, ActUnknown, DialogUsed and
    what `sign` raises.
    """
    unread = [line.name or str(line.record_id) for line in records if not line.read]
    if unread or not records:
        raise errors.NotRead(records=", ".join(unread))
    prove(signer, password, address)
    out = []
    with change(signer, reason, permission):
        for line in records:
            kind = _known.get(line.record_type)
            if kind is None:
                raise errors.ActUnknown(kind=line.record_type)
            content = kind.content_of(line.record_id, None)
            if content is None or content_hash(content) != line.seen:
                raise errors.RecordChanged
            own = opened and Opened(
                **asdict(opened)
                | {
                    "record_type": line.record_type,
                    "record_id": line.record_id,
                    "signatures": signatures_of(line.record_type, line.record_id),
                }
            )
            out.append(
                sign(
                    signer,
                    password,
                    record_type=line.record_type,
                    record_id=line.record_id,
                    content=content,
                    meaning=meaning,
                    reason=reason,
                    opened=own,
                )
            )
    return out


class Ceremony:
    """The signings of one session: which components the next one asks for, and which dialogs are open.

    The first signing of a session asks for name and password, a following one for the password; after a
    break, and after signing in again, both are asked for again. Kept in the session on the server, under
    the session's own key, so that another sign-in does not inherit it.
    """

    def __init__(self, session: Session, signer: Signer, now: datetime | None = None) -> None:
        self.session, self.signer = session, signer
        self.now = now or timezone.now()
        kept = session.get(KEY) or {}
        owner = [str(session.session_key), str(signer.id)]
        self.state: dict[str, Any] = kept if kept.get("owner") == owner else {"owner": owner, "dialogs": {}}

    @property
    def asks_name(self) -> bool:
        """Does the next signature need both components?"""
        last = self.state.get("signed_at")
        since = timedelta(minutes=config().signing_break_min)
        return last is None or not timedelta(0) <= self.now - datetime.fromisoformat(last) <= since

    def open(self, act: str, record_type: str, record_id: UUID, seen: str, permission: str) -> Opened:
        """A new dialog for one act on one record as it is now."""
        opened = Opened(
            uuid4(), act, record_type, record_id, seen, self._rights(permission), signatures_of(record_type, record_id)
        )
        kept = {name: str(value) for name, value in asdict(opened).items()} | {"at": self.now.isoformat()}
        dialogs = list(self.state["dialogs"].items())[1 - DIALOGS_KEPT :]
        self._save(dialogs=dict(dialogs) | {str(opened.nonce): kept})
        return opened

    def take(self, nonce: str, act: str, permission: str) -> Opened:
        """The open dialog of this number. Raises DialogUsed for any other, RightsChanged when the person's rights
        are not those of the moment when it was opened."""
        kept = self.state["dialogs"].get(nonce)
        if kept is None or kept["act"] != act or self.now - datetime.fromisoformat(kept["at"]) > OPEN_FOR:
            raise errors.DialogUsed
        if kept["rights"] != self._rights(permission):
            raise errors.RightsChanged
        return Opened(
            UUID(kept["nonce"]),
            act,
            kept["record_type"],
            UUID(kept["record_id"]),
            kept["seen"],
            kept["rights"],
            int(kept["signatures"]),
        )

    def done(self, opened: Opened) -> None:
        """The dialog is used up, and the session has signed."""
        dialogs = {nonce: kept for nonce, kept in self.state["dialogs"].items() if nonce != str(opened.nonce)}
        self._save(dialogs=dialogs, signed_at=self.now.isoformat())

    def _rights(self, permission: str) -> str:
        return content_hash({"roles": [str(role) for role in self.signer.roles], "may": self.signer.may(permission)})

    def _save(self, **changed: Any) -> None:
        self.state = self.state | changed
        self.session[KEY] = self.state
