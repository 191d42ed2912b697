"""Samples of a batch or phase as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO
from uuid import UUID

import pyarrow as pa

from baro.apps.plant.context.queries import of_batch
from baro.apps.plant.queries import historian, sources_of
from baro.apps.plant.trends.asked import Asked
from baro.apps.plant.trends.exports import SPOOLED, Form, rows, write
from baro.historian.store import TagRef


def batch_file(company: UUID, lot: str, phase: str, level: str, form: Form) -> IO[bytes]:
    """As `exports.export`, of every source of the equipment of the batch. Raises TooMuchAsked, DataUnreadable."""
    file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - the answer closes it
    try:
        write(file, _tables(company, lot, phase, level), form)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _tables(company: UUID, lot: str, phase: str, level: str) -> Iterator[pa.Table]:
    store = historian(company)
    known = [known.ref for known in store.known_tags()]
    for one in of_batch(lot, phase, level):
        sources = set(sources_of(one.equipment))
        tags: tuple[TagRef, ...] = tuple(ref for ref in known if ref.source in sources)
        end = one.ended_at or datetime.now(UTC)
        if tags and end > one.started_at:
            yield from rows(store, Asked(tags, one.started_at, end, 1000))
