"""Runs of blocks: what came is under a digest of the log before it is sealed, and no change behind it goes unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from baro.historian.findings import FindingKind
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian
from tests.historian.conftest import samples_block, spectra_block, write


def runs(url: str, company: UUID) -> list[tuple[str, int, int, bytes, bytes]]:
    with psycopg.connect(url) as admin:
        rows = admin.execute(
            "SELECT source, number, count, previous, root FROM historian_run WHERE company_id = %s ORDER BY id",
            [company],
        ).fetchall()
    return [(source, number, count, bytes(previous), bytes(root)) for source, number, count, previous, root in rows]


@pytest.mark.clause("Part 11 11.10(a)", "Annex 11 7.1")
def test_a_run_goes_on_from_the_one_before_and_holds_each_block_once(
    sink: PostgresSink, historian: Historian, server_url: str, company: UUID
) -> None:
    assert historian.extend_runs() == 0
    blocks = [spectra_block(first) for first in (1, 21, 41)]
    write(sink, *blocks[:2], samples_block(1))
    assert historian.extend_runs() == 2
    assert historian.extend_runs() == 0
    write(sink, blocks[2], blocks[0])
    assert historian.extend_runs() == 1
    digests = [hashlib.sha256(b"".join(block.digests())).digest() for block in blocks]
    first = hashlib.sha256(bytes(32) + digests[0] + digests[1]).digest()
    second = hashlib.sha256(first + digests[2]).digest()
    of_spectra = [run[1:] for run in runs(server_url, company) if run[0] == "press-1/nir"]
    assert of_spectra == [(1, 2, bytes(32), first), (2, 1, first, second)]
    assert historian.check() == historian.check("L1") == []


def test_nobody_slips_in_behind_a_run_while_many_write(
    app_url: str, company: UUID, historian: Historian, server_url: str
) -> None:
    def gateway(number: int) -> None:
        sink = PostgresSink(app_url, company)
        for step in range(12):
            write(sink, samples_block(1 + 30 * (12 * (number % 2) + step), source=f"s{number // 2}"))
        sink.close()

    with ThreadPoolExecutor(4) as writers:
        working = [writers.submit(gateway, number) for number in range(4)]
        while not all(one.done() for one in working):
            historian.extend_runs()
        for one in working:
            one.result()
    historian.extend_runs()
    assert sum(run[2] for run in runs(server_url, company)) == 48
    assert historian.check() == []


@pytest.mark.clause("Part 11 11.10(a)", "별표 9 4.3")
def test_a_hot_block_exchanged_with_all_its_digests_is_found(
    sink: PostgresSink, historian: Historian, company: UUID, lake: Path, tamper: Callable[..., None]
) -> None:
    write(sink, *(samples_block(first) for first in (1, 31, 61)))
    historian.extend_runs()
    assert historian.check("L1") == []
    forged = samples_block(31, values=[1.0] * 30)
    digests = b"".join(forged.digests())
    tamper(
        "UPDATE historian_block SET body = %s, digests = %s, digest = sha256(%s), body_digest = sha256(%s)"
        " WHERE company_id = %s AND first_seq = 31",
        forged.to_bytes(),
        digests,
        digests,
        forged.to_bytes(),
        company,
    )
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.source) == (FindingKind.RUN, "press-1/tags")
    assert finding.detail.startswith("run 1, blocks ")
    tamper("DELETE FROM historian_block WHERE company_id = %s AND first_seq = 31", company)
    assert FindingKind.RUN in {found.kind for found in historian.check()}


def test_a_run_taken_away_or_exchanged_is_found(
    sink: PostgresSink, historian: Historian, company: UUID, tamper: Callable[..., None]
) -> None:
    for first in (1, 31, 61):
        write(sink, samples_block(first))
        historian.extend_runs()
    tamper("UPDATE historian_run SET root = sha256(root) WHERE company_id = %s AND number = 1", company)
    named = [found.detail for found in historian.check("L1") if found.kind is FindingKind.RUN]
    assert [text.partition(",")[0] for text in named] == ["run 1", "run 2"]
    tamper("DELETE FROM historian_run WHERE company_id = %s AND number < 3", company)
    assert [found for found in historian.check("L1") if found.kind is FindingKind.RUN] == []
    # what is left holds in itself; that rows are gone, the trail says: see the tests of the replay
