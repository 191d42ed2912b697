"""Entries are taken into the log once each, late ones too, and only so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from baro.apps.ledger.log import (
    EntryUnknown,
    LogShorter,
    consistency_proof,
    inclusion_proof,
    index_of,
    integrate,
    leaf_text,
    log_key,
    log_signer,
    log_size,
    newest_checkpoint,
    pending,
    seal_text,
)
from baro.apps.ledger.merkle import (
    Tree,
    leaf_hash,
    open_note,
    verify_consistency,
    verify_inclusion,
)
from baro.apps.ledger.models import AuditEntry, Checkpoint, Node
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.models import Site
from baro.database.context import Context
from baro.database.roles import Role, conninfo
from tests.plant import Plant


def take_in() -> None:
    """Until nothing waits."""
    while True:
        before = log_size()
        integrate()
        if log_size() == before:
            return


def add_sites(plant: Plant, count: int, reason: str = "test") -> list[int]:
    """Sites made by `count` changes; returns the entries' ids."""
    with change(Program("test", plant.company), reason):
        made = [
            Site.objects.create(company_id=plant.company, code=f"{reason}-{i}", name_ko="공장", name_en="Plant")
            for i in range(count)
        ]
        keys = [str(site.id) for site in made]
        return list(AuditEntry.objects.filter(record_id__in=keys).order_by("id").values_list("id", flat=True))


@contextmanager
def another(plant: Plant, role: Role = Role.APP) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo(os.environ["BARO_DATABASE_URL"], role), autocommit=True) as other:
        yield other


ADD_SITE = (
    "INSERT INTO people_site (id, company_id, code, name_ko, name_en, time_zone)"
    " VALUES (gen_random_uuid(), %s, %s, '공장', 'Plant', 'Asia/Seoul') RETURNING id::text"
)


def stored_tree() -> Tree:
    tree = Tree()
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT ledger_leaf(e) FROM ledger_node n JOIN ledger_auditentry e ON e.id = n.entry_id"
            " WHERE n.level = 0 ORDER BY n.index"
        )
        tree.extend(text.encode() for (text,) in cursor.fetchall())
    return tree


def test_entries_become_leaves_and_the_size_is_signed(plant: Plant) -> None:
    take_in()
    before = log_size()
    ids = add_sites(plant, 3)
    assert pending() >= 3
    checkpoint = integrate()
    assert checkpoint is not None
    assert pending() == 0
    assert log_size() == checkpoint.size == before + 3
    assert [index_of(entry) for entry in ids] == [before, before + 1, before + 2]
    signed = open_note(checkpoint.note, [log_signer().verifier.vkey], log_signer().name)
    assert (signed.size, signed.root) == (checkpoint.size, checkpoint.root)
    assert log_key() == checkpoint.key
    assert seal_text() == checkpoint.note.split("\n\n")[0] + "\n"
    assert integrate() is None
    assert newest_checkpoint() == checkpoint


def test_nodes_of_every_level_and_the_proofs_are_those_of_the_tree(plant: Plant) -> None:
    add_sites(plant, 600, "many")
    take_in()
    tree, size = stored_tree(), log_size()
    assert len(tree) == size >= 600
    assert newest_checkpoint().root == tree.root()
    for level, index, value in Node.objects.filter(level__gt=0).values_list("level", "index", "hash"):
        assert bytes(value) == tree.node(8 * level, index)
    assert Node.objects.filter(level=1).count() == size // 256
    for index in (0, 1, 255, 256, size // 2, size - 1):
        proof = inclusion_proof(index, size)
        verify_inclusion(index, size, tree.node(0, index), proof, tree.root())
    for earlier in (1, 255, 256, 257, size - 1, size):
        verify_consistency(earlier, size, tree.root(earlier), tree.root(), consistency_proof(earlier, size))
    for wrong in ((size, size), (0, size + 1), (-1, size)):
        with pytest.raises(LogShorter):
            inclusion_proof(*wrong)
    for wrong in ((0, size), (1, size + 1), (size, 1)):
        with pytest.raises(LogShorter):
            consistency_proof(*wrong)


def test_a_leaf_holds_every_column_of_the_entry(plant: Plant) -> None:
    [entry] = add_sites(plant, 1)
    take_in()
    with reading(plant.company):
        text = leaf_text(AuditEntry.objects.get(id=entry))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (ledger_leaf(e)::jsonb ->> 'at')::timestamptz = e.at, ledger_leaf(e)::jsonb - 'v' - 'at'"
                " = to_jsonb(e) - 'at', ARRAY(SELECT jsonb_object_keys(to_jsonb(e))) FROM ledger_auditentry e"
                " WHERE id = %s",
                [entry],
            )
            same_time, same_rest, columns = cursor.fetchone()
            cursor.execute("SET LOCAL timezone = 'Asia/Seoul'; SET LOCAL datestyle = 'German'")
            assert leaf_text(entry) == text
    assert same_time
    assert same_rest
    assert set(columns) == {field.column for field in AuditEntry._meta.fields}
    node = Node.objects.get(level=0, entry_id=entry)
    assert bytes(node.hash) == leaf_hash(text.encode())


def test_a_late_commit_of_a_lower_id_is_taken_in_and_none_twice(plant: Plant) -> None:
    take_in()
    with another(plant) as slow, slow.transaction():
        Context(plant.company, None, "test", "slow").apply(slow)
        [site] = slow.execute(ADD_SITE, [plant.company, "slow"]).fetchone()
        with reading(plant.company):
            assert not AuditEntry.objects.filter(record_id=site).exists()
        later = []
        for step in range(4):  # several steps, so that floor and mark have moved on if they could
            later += add_sites(plant, 1, f"fast {step}")
            take_in()
        assert [index_of(entry) for entry in later]
    with reading(plant.company):
        late = AuditEntry.objects.get(record_id=site)
    assert late.id < min(later)
    with pytest.raises(EntryUnknown):
        index_of(late.id)
    take_in()
    assert index_of(late.id) == log_size() - 1
    entries = Node.objects.filter(level=0).values_list("entry_id", flat=True)
    assert len(set(entries)) == len(entries) == log_size()


def test_ids_of_transactions_that_were_rolled_back_are_no_matter(plant: Plant) -> None:
    take_in()
    with another(plant) as other, pytest.raises(psycopg.errors.UniqueViolation), other.transaction():
        Context(plant.company, None, "test", "twice").apply(other)
        for _ in range(2):
            other.execute(ADD_SITE, [plant.company, "twice"])
    [entry] = add_sites(plant, 1)
    take_in()
    assert index_of(entry) == log_size() - 1
    assert pending() == 0


def test_a_long_queue_is_not_read_from_its_beginning_in_every_step(plant: Plant) -> None:
    def floor() -> int:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT floor FROM ledger_sequencing")
            return int(cursor.fetchone()[0])

    for step in range(3):
        add_sites(plant, 1, f"before {step}")
        take_in()
    ids = add_sites(plant, 30, "queue")
    for step in range(1, 4):
        integrate(most=10)
        if step > 1:  # the first step puts the mark beyond the queue
            assert floor() == ids[10 * step - 1]
    with another(plant) as slow, slow.transaction():
        Context(plant.company, None, "test", "slow").apply(slow)
        slow.execute(ADD_SITE, [plant.company, "slow"])
        later = add_sites(plant, 20, "behind")
        for _ in range(4):
            integrate(most=5)
        assert floor() < later[0] - 1  # an entry may still come before them
    take_in()
    take_in()
    assert pending() == 0
    assert newest_checkpoint().root == stored_tree().root()


def test_transaction_ids_of_another_server_do_not_stop_the_log(plant: Plant) -> None:
    """A database that is restored from a dump keeps entries and marks of a server that counted further."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE ledger_sequencing SET mark_xid = mark_xid + 1000000000")
    before = AuditEntry.objects.using("owner").latest("id").id
    for step in range(3):
        [entry] = add_sites(plant, 1, f"restored {step}")
        take_in()
        assert index_of(entry) == log_size() - 1
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT floor FROM ledger_sequencing")
        assert cursor.fetchone()[0] >= before


def test_two_sequencers_do_not_get_into_each_others_way(plant: Plant) -> None:
    from concurrent.futures import ThreadPoolExecutor

    ids = add_sites(plant, 40, "crowd")

    def step(_: int) -> None:
        try:
            integrate(most=5)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(step, range(24)))
    take_in()
    places = [index_of(entry) for entry in ids]
    assert places == sorted(places)
    assert newest_checkpoint().root == stored_tree().root()


def test_the_log_is_not_extended_under_an_old_snapshot(plant: Plant) -> None:
    with another(plant) as other, pytest.raises(psycopg.DatabaseError) as refusal, other.transaction():
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT ledger_sequence(1)")
    assert refusal.value.sqlstate == "BA005"


HASH = "'\\x00'::bytea"
REFUSED = [
    f"INSERT INTO ledger_node (level, index, hash, entry_id) VALUES (0, 10000000, {HASH}, 10000000)",
    f"UPDATE ledger_node SET hash = {HASH}",
    "DELETE FROM ledger_node",
    "TRUNCATE ledger_node",
    f"UPDATE ledger_checkpoint SET root = {HASH}",
    "DELETE FROM ledger_checkpoint",
    "UPDATE ledger_cosignature SET line = ''",
    "DELETE FROM ledger_cosignature",
    "UPDATE ledger_sequencing SET floor = 10000000",
    "INSERT INTO ledger_sequencing VALUES (2, 1, 1, 1)",
    "DELETE FROM ledger_sequencing",
]


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 9")
@pytest.mark.parametrize("role", [Role.APP, Role.READER])
@pytest.mark.parametrize("statement", REFUSED)
def test_the_application_only_adds_to_the_log(plant: Plant, role: Role, statement: str) -> None:
    with another(plant, role) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
        other.execute(statement)


def test_a_reader_extends_nothing(plant: Plant) -> None:
    with another(plant, Role.READER) as other:
        other.execute("SELECT ledger_pending()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("SELECT ledger_sequence(1)")


def test_the_key_lies_outside_the_database(plant: Plant) -> None:
    from baro.config import config

    signer = log_signer()
    path = config().home / "keys" / "log.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert log_signer() == signer
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_checkpoint WHERE note LIKE %s", [f"%{signer.text}%"])
        assert cursor.fetchone()[0] == 0
    assert all("PRIVATE" not in note for note in Checkpoint.objects.values_list("note", flat=True))
