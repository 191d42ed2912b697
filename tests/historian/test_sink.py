"""The sink: what is written once, what never twice, and who may see it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from baro.database import roles
from baro.database.context import Context
from baro.database.roles import Role
from baro.edge.blocks import Event, EventKind, Gap, GapReason
from baro.historian import schema
from baro.historian.errors import ContentConflict, HistorianError, Malformed, Overlap, Refused, StoreUnavailable
from baro.historian.sink import BLOCKS, EVENTS, PostgresSink
from baro.historian.store import Historian

from .conftest import NIR, START, samples_block, spectra_block, write


def gap(first: int = 10, last: int | None = None, lot: str = "L1") -> Gap:
    ended = None if last is None else START + timedelta(minutes=1)
    return Gap("press-1/nir", 1, first, last, lot, START, ended, GapReason.CONNECTION_LOST)


def count(historian: Historian) -> int:
    return len(historian.blocks())


def test_a_replay_changes_nothing(sink: PostgresSink, historian: Historian) -> None:
    block = spectra_block()
    for _ in range(2):
        write(sink, block)
        sink.write_axis(NIR)
        sink.write_event(Event("press-1/nir", EventKind.CONNECTED, START, "connected", b"\x00"))
        sink.write_gap(gap())
    assert count(historian) == len(historian.events()) == len(historian.gaps()) == 1
    assert historian.axis(NIR.digest) == NIR


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_other_content_under_the_same_key_is_refused(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(1, 20))
    for other in (spectra_block(1, 21), spectra_block(1, 20, lot="L2"), samples_block(1, 20, source="press-1/nir")):
        with pytest.raises(ContentConflict) as caught:
            write(sink, other)
        assert not caught.value.retryable
        assert caught.value.facts["first_seq"] == 1
    assert count(historian) == 1


@pytest.mark.parametrize("first", [5, 20, 25, 39])
def test_an_overlap_is_refused(sink: PostgresSink, historian: Historian, first: int) -> None:
    write(sink, spectra_block(20, 20))
    with pytest.raises(Overlap):
        write(sink, spectra_block(first + (first == 20), 20))
    assert count(historian) == 1
    write(sink, spectra_block(20, 20, epoch=2), spectra_block(20, 20, source="press-2/nir"))
    assert count(historian) == 3


def test_late_spectra_fit_into_the_holes_of_a_block(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(seqs=[1, 2, 5, 6, 9]), spectra_block(seqs=[3, 4]), spectra_block(seqs=[7]))
    with pytest.raises(Overlap):
        write(sink, spectra_block(seqs=[8, 9]))
    assert historian.spectra(lot="L1").seq.tolist() == [1, 2, 3, 4, 5, 6, 7, 9]


def test_overlap_is_refused_to_writers_at_the_same_time(app_url: str, company: UUID, historian: Historian) -> None:
    blocks = [spectra_block(first, 10) for first in range(1, 9)]
    start, errors = threading.Barrier(len(blocks)), list[HistorianError]()

    def work(at: int) -> None:
        sink = PostgresSink(app_url, company)
        start.wait()
        try:
            write(sink, blocks[at])
        except Overlap as error:
            errors.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=work, args=[at]) for at in range(len(blocks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count(historian), len(errors)) == (1, len(blocks) - 1)


def test_the_same_block_from_writers_at_the_same_time(app_url: str, company: UUID, historian: Historian) -> None:
    block, errors = spectra_block(), list[Exception]()
    start = threading.Barrier(6)

    def work() -> None:
        sink = PostgresSink(app_url, company)
        start.wait()
        try:
            write(sink, block)
        except HistorianError as error:
            errors.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count(historian), errors) == (1, [])


def test_several_blocks_are_written_together_or_not_at_all(sink: PostgresSink, historian: Historian) -> None:
    def offered(*firsts: int) -> list[tuple]:
        return [(b, b.digests(), b.to_bytes()) for b in (spectra_block(first, 10) for first in firsts)]

    sink.write_blocks(offered(1, 11))
    with pytest.raises(Overlap):
        sink.write_blocks(offered(21, 15))
    assert count(historian) == 2


@pytest.mark.parametrize("seqs", [[1, 1], [2, 1], [1, 3, 2]])
def test_numbers_that_do_not_rise_are_malformed(sink: PostgresSink, seqs: list[int]) -> None:
    with pytest.raises(Malformed):
        write(sink, spectra_block(seqs=seqs))


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_digests_must_be_of_each_observation(sink: PostgresSink) -> None:
    block = spectra_block()
    with pytest.raises(Malformed):
        sink.write_block(block, block.digests()[:-1], block.to_bytes())


@pytest.mark.parametrize("lot", ["L\x001", "L" * 600])
def test_what_the_database_can_never_take_is_refused(sink: PostgresSink, lot: str) -> None:
    with pytest.raises(Refused) as caught:
        write(sink, spectra_block(lot=lot))
    assert not caught.value.retryable
    write(sink, spectra_block())


def test_the_sink_connects_again(sink: PostgresSink, historian: Historian, server_url: str) -> None:
    write(sink, spectra_block())
    with psycopg.connect(server_url) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'baro'"
            " AND pid <> pg_backend_pid()"
        )
    with pytest.raises(StoreUnavailable) as caught:
        write(sink, spectra_block(21))
    assert caught.value.retryable
    write(sink, spectra_block(21))
    assert sink.last_seq("press-1/nir") == (1, 40)


def test_no_server_is_retryable(tmp_path: object) -> None:
    sink = PostgresSink(f"host={tmp_path} dbname=baro", uuid4())
    with pytest.raises(StoreUnavailable):
        sink.last_seq("press-1/nir")


def test_last_seq(sink: PostgresSink) -> None:
    assert sink.last_seq("press-1/nir") is None
    write(sink, spectra_block(100, 20), spectra_block(1, 5, epoch=2), spectra_block(seqs=[10, 30], epoch=2))
    write(sink, spectra_block(12, 3, epoch=2))
    assert sink.last_seq("press-1/nir") == (2, 30)


def test_what_is_written_is_told(sink: PostgresSink, app_url: str, company: UUID) -> None:
    with psycopg.connect(app_url, autocommit=True) as listener:
        listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(BLOCKS)))
        listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(EVENTS)))
        for _ in range(2):
            write(sink, spectra_block(5, 20, lot="로트-1"))
            sink.write_gap(gap())
        told = [(n.channel, json.loads(n.payload)) for n in listener.notifies(timeout=5, stop_after=2)]
        told += [(n.channel, json.loads(n.payload)) for n in listener.notifies(timeout=0.1)]
    assert told == [
        (
            BLOCKS,
            {
                "source": "press-1/nir",
                "kind": "spectra",
                "lot": "로트-1",
                "epoch": 1,
                "first_seq": 5,
                "last_seq": 24,
                "company": str(company),
            },
        ),
        (
            EVENTS,
            {
                "type": "gap",
                "lot": "L1",
                "source": "press-1/nir",
                "kind": "connection_lost",
                "at": START.isoformat(),
                "company": str(company),
            },
        ),
    ]


def test_a_gap_closes_by_a_second_row_and_shrinks_by_late_blocks(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(1, 9))
    sink.write_gap(gap(10))
    (open_gap,) = historian.gaps(lot="L1")
    assert (open_gap.last_seq, open_gap.ended_at, open_gap.missing) == (None, None, ((10, None),))
    for _ in range(2):  # a replay of the opening does not open it again
        sink.write_gap(gap(10, 19))
        sink.write_gap(gap(10))
    write(sink, spectra_block(20, 5), spectra_block(seqs=[12, 13, 19]))
    (closed,) = historian.gaps(source="press-1/nir")
    assert (closed.first_seq, closed.last_seq, closed.reason) == (10, 19, GapReason.CONNECTION_LOST)
    assert closed.missing == ((10, 11), (14, 18))
    assert historian.gaps(lot="L2") == []


def test_a_gap_in_which_nothing_was_missed(sink: PostgresSink, historian: Historian) -> None:
    sink.write_gap(gap(10))
    sink.write_gap(gap(10, 9))
    assert historian.gaps()[0].missing == ()


def test_other_companies_see_nothing(sink: PostgresSink, app_url: str, company: UUID, lake: object) -> None:
    write(sink, spectra_block(), samples_block())
    sink.write_gap(gap())
    sink.write_event(Event("press-1/nir", EventKind.CONNECTED, START, ""))
    tables = [*schema.TABLES[:4], "historian_gap_now"]
    with psycopg.connect(app_url) as connection:

        def seen(whose: UUID | None) -> list[int]:
            Context(whose).apply(connection)
            return [
                connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(t))).fetchone()[0]
                for t in tables
            ]

        assert seen(company) == [1, 2, 1, 1, 1]
        assert seen(uuid4()) == seen(None) == [0] * 5
        missing = "SELECT historian_missing(%s, 'press-1/nir', 1, 1, 20)::text"
        assert connection.execute(missing, [company]).fetchone() == ("{[1,21)}",)  # as if there were no block


@pytest.mark.clause("Part 11 11.10(d)")
def test_nobody_writes_for_another_company(app_url: str, company: UUID) -> None:
    with psycopg.connect(app_url) as connection:
        Context(company).apply(connection)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                'INSERT INTO historian_axis (company_id, digest, unit, "values") VALUES (%s, %s, %s, %s)',
                [uuid4(), "0", "nm", [1.0]],
            )


@pytest.mark.clause("Part 11 11.10(c)")
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
@pytest.mark.parametrize("table", schema.TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {} SET recorded_at = now()", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_application_cannot_rewrite_history(
    server_url: str, company: UUID, role: Role, table: str, statement: str
) -> None:
    with psycopg.connect(roles.conninfo(server_url, role)) as connection:
        Context(company).apply(connection)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL(statement).format(sql.Identifier(table)))


def test_errors_say_what_happened(sink: PostgresSink, tamper: Callable[..., None]) -> None:
    write(sink, spectra_block())
    with pytest.raises(HistorianError, match=r"^Some of these sequence numbers are stored already.*\(detail=.*overlap"):
        write(sink, dataclasses.replace(spectra_block(2)))
