"""Are the stored predictions those that were made, block by block and as a whole?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from uuid import UUID

import pyarrow as pa
from django.db import connections

from baro.apps.pat.predictions import from_bytes, joined

_BLOCKS = """
    SELECT p.id, p.source, p.epoch, p.first_seq, p.last_seq, p.count, p.model_digest, p.digest, p.body,
      EXISTS (SELECT FROM historian_block b WHERE b.company_id = p.company_id AND b.source = p.source
        AND b.epoch = p.epoch AND b.first_seq = p.first_seq AND b.last_seq = p.last_seq AND b.lot = p.lot_no),
      EXISTS (SELECT FROM pat_deployment d JOIN pat_calibrationmodel m ON m.id = d.model_id
        JOIN plant_instrument i ON i.id = d.instrument_id
        WHERE d.company_id = p.company_id AND m.digest = p.model_digest AND i.source = p.source
          AND d.started_at IS NOT NULL)
    FROM pat_predictionblock p WHERE p.company_id = %s AND p.lot_no = %s
    ORDER BY p.source, p.epoch, p.first_seq, p.id
"""
_VERDICT = """
    SELECT v.evidence #>> '{model,digest}', v.evidence #>> '{predictions,root}', v.evidence #> '{master_data,deployed}',
      jsonb_path_query_array(v.evidence, '$.master_data.failed_checks[*].source')
    FROM release_verdict v JOIN manufacturing_lot l ON l.id = v.lot_id
    WHERE l.company_id = %s AND l.lot_no = %s AND v.final ORDER BY v.recorded_at DESC LIMIT 1
"""


_UNPREDICTED = """
    SELECT b.source, b.epoch, b.first_seq, b.last_seq FROM historian_block b
    WHERE b.company_id = %s AND b.lot = %s AND b.kind = 'spectra' AND NOT EXISTS (
      SELECT FROM pat_predictionblock p WHERE p.company_id = b.company_id AND p.source = b.source AND p.epoch = b.epoch
        AND p.first_seq = b.first_seq AND p.last_seq = b.last_seq AND p.lot_no = b.lot AND p.model_digest = %s)
    ORDER BY 1, 2, 3
"""


def check_predictions(company: UUID, lot_no: str, using: str = "default") -> list[str]:
    """What is wrong with the stored predictions of a lot: a block that is not what its digest says, or of which no
    block of spectra is there, and all of them against the root that the lot's final verdict names."""
    return list(_checked(company, lot_no, using))


def _checked(company: UUID, lot_no: str, using: str) -> Iterator[str]:
    with connections[using].cursor() as cursor:
        cursor.execute(_VERDICT, [company, lot_no])
        verdict = cursor.fetchone()
        deployed, failed = (_names(one) for one in verdict[2:]) if verdict else (None, None)
        cursor.execute(_BLOCKS, [company, lot_no])
        rows = cursor.fetchall()
    tables, suspects = [], []
    for key, source, epoch, first, last, count, model, digest, body, observed, used in rows:
        where = f"pat_predictionblock {key}, lot {lot_no}, {source} {epoch}/{first}-{last}"
        if hashlib.sha256(bytes(body)).digest() != bytes(digest):
            yield f"{where}: has another SHA-256 than recorded"
            continue
        try:
            table = from_bytes(bytes(body))
        except (pa.ArrowInvalid, OSError) as error:
            yield f"{where}: cannot be read: {error}"
            continue
        if (len(table), int(table.seq[0]), int(table.seq[-1])) != (count, first, last) or not observed:
            yield f"{where}: is not of a stored block of spectra"
        if verdict and model == verdict[0]:
            # what was measured where the model was not in force, or around a failed check, is no evidence
            if (deployed is None or source in deployed) and source not in (failed or ()):
                tables.append(table)
        elif not used:
            suspects.append(where)
    if verdict and joined(tables).hash() != verdict[1]:
        yield f"lot {lot_no}: the predictions are not those of its verdict"
        with connections[using].cursor() as cursor:
            cursor.execute(_UNPREDICTED, [company, lot_no, verdict[0]])
            for source, epoch, first, last in cursor.fetchall():
                yield f"lot {lot_no}, {source} {epoch}/{first}-{last}: spectra without a prediction"
        yield from (f"{where}: by another model than the verdict's" for where in suspects)


def _names(told: str | list[str] | None) -> list[str] | None:
    """Names as jsonb, read by the driver or not."""
    return json.loads(told) if isinstance(told, str) else told
