"""Acknowledging findings, and giving out a stored original."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import BinaryIO

from baro.apps.ledger.services import change
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.errors import FindingUnknown, OriginalAway, OriginalDamaged
from baro.apps.plant.files.checking import stores_of
from baro.apps.plant.files.models import FindingAcknowledgment
from baro.apps.plant.files.queries import ACKNOWLEDGES, open_findings
from baro.edge.agent.store import CHUNK, Store
from baro.historian.models import StoredJournalEntry


def acknowledge(user: User, entries: Iterable[int], reason: str) -> int:
    """Put on record that `user` has seen these findings, and what they were; how many.

    Raises NotPermitted, ReasonMissing, and FindingUnknown when one of them is none or is acknowledged already.
    """
    wanted = set(entries)
    with change(user, reason, ACKNOWLEDGES):
        found = list(open_findings().filter(id__in=wanted))
        if not wanted or len(found) != len(wanted):
            raise FindingUnknown
        FindingAcknowledgment.objects.bulk_create(
            FindingAcknowledgment(company_id=user.company_id, entry=entry, by=user, reason=reason.strip())
            for entry in found
        )
    return len(found)


def original(user: User, entry: StoredJournalEntry) -> BinaryIO:
    """The stored file of an entry, open at its beginning, after it was hashed again.

    Raises NotPermitted, OriginalAway when this server does not have it, OriginalDamaged when no copy is what it was.
    """
    if not user.may(Permission.VIEW):
        raise user.why_not(Permission.VIEW)
    folder = stores_of(entry.company_id).get(entry.agent)
    if folder is None or not entry.digest:
        raise OriginalAway
    copies = Store(folder).copies(entry.digest)
    there = False
    for copy in copies:
        try:
            file = os.fdopen(os.open(copy, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except OSError:
            continue
        there = True
        digest = hashlib.sha256()
        try:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
            file.seek(0)
        except OSError:
            file.close()
            continue
        if digest.hexdigest() == entry.digest:
            return file
        file.close()
    raise OriginalDamaged if there else OriginalAway
