"""Whatever is done to the trail or to the log by whoever owns the database is found, and named."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from baro.apps.ledger.keys import log_key, log_signer
from baro.apps.ledger.log import integrate, log_size, newest_checkpoint
from baro.apps.ledger.log.report import Check, FindingKind, LogReport
from baro.apps.ledger.log.verification import verify_log
from baro.apps.ledger.merkle import EMPTY_ROOT, NoteError, Signer, checkpoint_text
from baro.apps.ledger.models import AuditEntry, Checkpoint, Node
from baro.apps.ledger.services import Program, change
from baro.apps.people.models import Site
from tests.plant import Plant


def add(plant: Plant, count: int) -> None:
    with change(Program("test", plant.company), "entries to verify"):
        for i in range(count):
            Site.objects.create(
                company_id=plant.company, code=f"v{AuditEntry.objects.count()}-{i}", name_ko="공장", name_en="Plant"
            )


@pytest.fixture
def size(plant: Plant) -> int:
    """The size of a log of more than two full tiles, with checkpoints of different sizes."""
    while integrate():
        pass
    for count in (max(1, 600 - log_size()), 20, 9, 1):
        add(plant, count)
        integrate()
    return log_size()


@contextmanager
def tampering() -> Iterator[Any]:
    """As the owner of the database, who switches off what is in his way. Undone at the end."""
    with transaction.atomic("owner"), connections["owner"].cursor() as cursor:
        yield cursor
        transaction.set_rollback(True, "owner")


def entry_at(index: int) -> int:
    return Node.objects.get(level=0, index=index).entry_id


def named(report: LogReport, kind: FindingKind) -> list[int | None]:
    return [finding.index for finding in report.findings if finding.kind is kind]


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 7.2")
def test_an_untouched_log_is_equal(size: int) -> None:
    report = verify_log()
    assert report.findings == []
    assert report.ok
    assert (report.size, report.root) == (size, bytes(newest_checkpoint().root))
    assert report.pinned
    assert report.done[Check.ENTRIES] == report.done[Check.LEAVES] == size
    assert report.done[Check.NODES] == size // 256 + size // 65536
    assert report.done[Check.CHECKPOINTS] == Checkpoint.objects.count()
    assert report.done[Check.GUARDS] > 30
    by_application = verify_log(using="default")
    assert by_application.ok
    assert (by_application.size, by_application.root, by_application.done) == (size, report.root, report.done)


CHANGES = [
    "actor = 'somebody else'",
    "reason = 'another reason'",
    "at = at + interval '1 microsecond'",
    "new = jsonb_set(new, '{name_en}', '\"Other\"')",
    "new = NULL",
    "old = '{}'",
    "company_id = gen_random_uuid()",
    "record_id = gen_random_uuid()::text",
    "table_name = 'people_company'",
    "action = 'update'",
    "transaction_id = transaction_id + 1",
    "kind = 'person'",
    "request = 'x'",
    "version = 'x'",
    "zone = 'UTC'",
    "program = 'x'",
    "login = 'x'",
    "actor_id = gen_random_uuid()",
]


def test_every_column_of_an_entry_is_covered(size: int) -> None:
    index = size - 100
    assert {change.split(" =")[0] for change in CHANGES} == {f.column for f in AuditEntry._meta.fields} - {"id"}
    for statement in CHANGES:
        with tampering() as cursor:
            cursor.execute(f"UPDATE ledger_auditentry SET {statement} WHERE id = %s", [entry_at(index)])
            report = verify_log()
            assert named(report, FindingKind.CHANGED) == [index], statement
            assert [str(f) for f in report.findings] == [str(f) for f in verify_log(using="owner").findings]


def test_a_changed_entry_is_found_even_if_the_databases_own_function_lies(size: int) -> None:
    with tampering() as cursor:
        cursor.execute("SELECT ledger_leaf(e) FROM ledger_auditentry e WHERE id = %s", [entry_at(size - 5)])
        [text] = cursor.fetchone()
        cursor.execute(
            "CREATE OR REPLACE FUNCTION ledger_leaf(e ledger_auditentry) RETURNS text LANGUAGE sql STABLE"
            f" AS $f$ SELECT $t${text}$t$ $f$"
        )
        cursor.execute("UPDATE ledger_auditentry SET actor = 'x' WHERE id = %s", [entry_at(size - 5)])
        assert named(verify_log(), FindingKind.CHANGED) == [size - 5]


def test_deleted_entries_are_named(size: int) -> None:
    for index in (0, size - 280, size - 1):
        with tampering() as cursor:
            cursor.execute("DELETE FROM ledger_auditentry WHERE id = %s", [entry_at(index)])
            report = verify_log()
            assert named(report, FindingKind.DELETED) == [index]
            assert report.wrong == {Check.ENTRIES: 1}


def test_entries_that_are_exchanged_or_swapped_are_found(size: int) -> None:
    first, second = entry_at(size - 200), entry_at(size - 100)
    with tampering() as cursor:
        # two entries under each other's number
        cursor.execute("ALTER TABLE ledger_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_auditentry SET id = -1 WHERE id = %s", [first])
        cursor.execute("UPDATE ledger_auditentry SET id = %s WHERE id = %s", [first, second])
        cursor.execute("UPDATE ledger_auditentry SET id = %s WHERE id = -1", [second])
        assert named(verify_log(), FindingKind.CHANGED) == [size - 200, size - 100]
    with tampering() as cursor:
        # two leaves in each other's place, with all that belongs to them
        for old, new in ((size - 200, -5), (size - 100, size - 200), (-5, size - 100)):
            cursor.execute("UPDATE ledger_node SET index = %s WHERE level = 0 AND index = %s", [new, old])
        report = verify_log()
        [place] = named(report, FindingKind.REWRITTEN)
        assert place <= size - 200


def rehash(cursor: Any, index: int) -> None:
    """Make the stored leaf that of the changed payload."""
    cursor.execute(
        "UPDATE ledger_node n SET hash = sha256('\\x00'::bytea || convert_to(ledger_leaf(e), 'UTF8'))"
        " FROM ledger_auditentry e WHERE n.level = 0 AND n.index = %s AND e.id = n.entry_id",
        [index],
    )


def test_an_entry_changed_together_with_its_leaf_is_found(size: int) -> None:
    index = size - 20
    with tampering() as cursor:
        cursor.execute("UPDATE ledger_auditentry SET actor = 'x' WHERE id = %s", [entry_at(index)])
        rehash(cursor, index)
        report = verify_log()
        [finding] = [f for f in report.findings if f.kind is FindingKind.REWRITTEN]
        assert finding.index <= index <= finding.last
        assert finding.last - finding.index < 30
        assert not named(report, FindingKind.CHANGED)


def test_a_changed_leaf_is_told_from_a_changed_entry(size: int) -> None:
    with tampering() as cursor:
        cursor.execute(
            "UPDATE ledger_node SET hash = sha256('x') WHERE level = 0 AND index IN (%s, %s)", [size - 200, size - 5]
        )
        report = verify_log()
    assert named(report, FindingKind.LEAF_CHANGED) == [size - 200, size - 5]
    assert not named(report, FindingKind.REWRITTEN)


def test_an_entry_inserted_with_a_time_of_the_past_is_found(plant: Plant, size: int) -> None:
    gap = AuditEntry.objects.using("owner").order_by("id").first().id
    columns = "company_id, at, actor, reason, action, table_name, record_id, transaction_id, kind, request, version"
    for new_id in ("DEFAULT", str(gap - 1), str(-5)):
        with tampering() as cursor:
            cursor.execute(
                f"INSERT INTO ledger_auditentry (id, {columns}, zone, program, login) OVERRIDING SYSTEM VALUE VALUES"
                f" ({new_id}, %s, now() - interval '2 hours', 'a', 'r', 'update', 'people_site', 'x', 1, 'person',"
                " '', '', '', '', '')",
                [plant.company],
            )
            cursor.execute("UPDATE ledger_sequencing SET floor = -10")
            cursor.execute("SELECT ledger_sequence(1000)")
            assert named(verify_log(), FindingKind.INSERTED) == [size]


def test_leaves_that_vanish_with_their_entries_are_named(size: int) -> None:
    with tampering() as cursor:
        cursor.execute("DELETE FROM ledger_auditentry WHERE id = %s", [entry_at(size - 50)])
        cursor.execute("DELETE FROM ledger_node WHERE level = 0 AND index = %s", [size - 50])
        assert named(verify_log(), FindingKind.LEAF_MISSING) == [size - 50]
    with tampering() as cursor:
        # and all later ones moved up
        cursor.execute("DELETE FROM ledger_node WHERE level = 0 AND index = %s", [size - 50])
        cursor.execute("UPDATE ledger_node SET index = -index WHERE level = 0 AND index > %s", [size - 50])
        cursor.execute("UPDATE ledger_node SET index = -index - 1 WHERE level = 0 AND index < 0")
        report = verify_log()
        assert named(report, FindingKind.TRUNCATED) == [size - 1]
        assert named(report, FindingKind.REWRITTEN)[0] <= size - 50


def cut(cursor: Any, size: int) -> None:
    """The end of the log is taken off without a trace in the database."""
    cursor.execute(
        "DELETE FROM ledger_auditentry e USING ledger_node n WHERE n.entry_id = e.id AND n.level = 0 AND n.index >= %s",
        [size],
    )
    cursor.execute("DELETE FROM ledger_checkpoint WHERE size > %s", [size])
    cursor.execute("DELETE FROM ledger_node WHERE (index + 1) << (8 * level) > %s", [size])


def test_a_log_that_is_cut_off_is_found_by_what_was_kept_elsewhere(size: int) -> None:
    kept, before = newest_checkpoint().note, Checkpoint.objects.order_by("-size")[1]
    with tampering() as cursor:
        cursor.execute("DELETE FROM ledger_cosignature")
        cut(cursor, before.size)
        assert verify_log().ok  # nothing inside can tell
        report = verify_log(outside=[("safe", kept)])
        assert named(report, FindingKind.TRUNCATED) == [before.size]
        assert report.wrong == {Check.OUTSIDE: 1}
    with tampering() as cursor:
        cursor.execute("DELETE FROM ledger_checkpoint")
        cursor.execute("DELETE FROM ledger_node")
        cursor.execute("DELETE FROM ledger_auditentry")
        assert verify_log().ok
        assert named(verify_log(outside=[("safe", kept)]), FindingKind.TRUNCATED) == [0]


def test_a_log_that_was_cut_off_and_grew_again_is_found(plant: Plant, size: int) -> None:
    kept = newest_checkpoint().note
    before = Checkpoint.objects.order_by("-size")[2]
    with tampering() as cursor:
        cursor.execute("DELETE FROM ledger_cosignature")
        cut(cursor, before.size)
        cursor.execute("UPDATE ledger_sequencing SET floor = 0")
        cursor.execute("SELECT set_config('baro.actor', 'x', true), set_config('baro.reason', 'x', true)")
        cursor.execute(
            "INSERT INTO people_site (id, company_id, code, name_ko, name_en, time_zone) SELECT gen_random_uuid(), %s,"
            " 'again' || i, '공장', 'Plant', 'UTC' FROM generate_series(1, 50) i",
            [plant.company],
        )
        assert integrate(using="owner").size > before.size
        assert verify_log().ok
        report = verify_log(outside=[("safe", kept)])
    assert not report.ok
    assert {f.kind for f in report.findings} <= {FindingKind.REWRITTEN, FindingKind.TRUNCATED}


def test_nodes_that_are_changed_missing_or_too_many_are_named(size: int) -> None:
    for statement in (
        "UPDATE ledger_node SET hash = sha256('x') WHERE level = 1 AND index = 0",
        "DELETE FROM ledger_node WHERE level = 1 AND index = 0",
        "INSERT INTO ledger_node (level, index, hash) VALUES (1, 100000, sha256('x'))",
        "INSERT INTO ledger_node (level, index, hash) VALUES (7, 0, sha256('x'))",
        "INSERT INTO ledger_node (level, index, hash) VALUES (1, -1, sha256('x'))",
        "INSERT INTO ledger_node (level, index, hash, entry_id) VALUES (0, -1, sha256('x'), -9)",
    ):
        with tampering() as cursor:
            cursor.execute(statement)
            report = verify_log()
            assert report.wrong == {Check.NODES: 1}, statement
            assert [f.kind for f in report.findings] == [FindingKind.NODE]


def test_a_replaced_key_is_found(size: int) -> None:
    thief = Signer.new(log_signer().name)
    newest = newest_checkpoint()
    text = checkpoint_text(thief.name, size, bytes(newest.root))
    with tampering() as cursor:
        cursor.execute(
            "UPDATE ledger_checkpoint SET note = %s, key = %s WHERE id = %s",
            [f"{text}\n{thief.sign(text)}", thief.verifier.vkey, newest.id],
        )
        report = verify_log()
        assert [f.kind for f in report.findings] == [FindingKind.KEY]
        # the key that the database names is no pin
        assert not verify_log(key=thief.verifier.vkey).ok
    assert not verify_log(key=thief.verifier.vkey).ok
    with pytest.raises(NoteError):
        verify_log(key="no key")


def test_checkpoints_that_do_not_say_what_their_row_says_are_found(size: int) -> None:
    signer, newest = log_signer(), newest_checkpoint()

    def note(origin: str, count: int, root: bytes) -> str:
        text = checkpoint_text(origin, count, root)
        return f"{text}\n{signer.sign(text)}"

    other = Signer.new("other.example")
    elsewhere = checkpoint_text(other.name, size, bytes(newest.root))
    for values, kind in (
        ((f"{elsewhere}\n{other.sign(elsewhere)}", newest.root), FindingKind.ORIGIN),
        (("nonsense", newest.root), FindingKind.CHECKPOINT),
        ((newest.note, bytes(32)), FindingKind.CHECKPOINT),
        ((newest.note.replace(f"\n{size}\n", f"\n{size + 1}\n"), newest.root), FindingKind.KEY),
        ((note(signer.name, size, bytes(32)), bytes(32)), FindingKind.REWRITTEN),
    ):
        with tampering() as cursor:
            cursor.execute("UPDATE ledger_checkpoint SET note = %s, root = %s WHERE id = %s", [*values, newest.id])
            report = verify_log()
            assert [f.kind for f in report.findings] == [kind]
            assert report.wrong == {Check.CHECKPOINTS: 1}


def test_what_was_kept_elsewhere_has_to_be_evidence(size: int) -> None:
    signer, newest = log_signer(), newest_checkpoint()
    empty = checkpoint_text(signer.name, 0, EMPTY_ROOT)
    rewritten = checkpoint_text(signer.name, size - 3, bytes(32))
    good = Checkpoint.objects.order_by("size").first().note
    for note, kind in (
        (f"{empty}\n{signer.sign(empty)}", FindingKind.EMPTY),
        (f"{rewritten}\n{signer.sign(rewritten)}", FindingKind.REWRITTEN),
        (newest.note.replace("\n\n", "\nx\n\n"), FindingKind.KEY),
        ("", FindingKind.CHECKPOINT),
    ):
        report = verify_log(outside=[("good", good), ("safe", note), ("good", newest.note)])
        assert [f.kind for f in report.findings] == [kind]
        assert report.done[Check.OUTSIDE] == 3
    assert verify_log(outside=[("good", good), ("newest", newest.note), ("newest", newest.note)]).ok
    report = verify_log(origin="other.example", outside=[("safe", newest.note)])
    assert FindingKind.ORIGIN in {f.kind for f in report.findings if f.check is Check.OUTSIDE}


def test_a_trail_that_is_switched_off_is_found(size: int) -> None:
    for statement in (
        "ALTER TABLE people_site DISABLE TRIGGER audit_update",
        "DROP TRIGGER audit_update ON people_site",
        "ALTER TABLE people_site ENABLE REPLICA TRIGGER audit_update",
    ):
        with tampering() as cursor:
            cursor.execute(statement)
            report = verify_log()
            assert [f.kind for f in report.findings] == [FindingKind.GUARD]
            assert "people_site" in report.findings[0].detail


def test_entries_that_wait_are_pending_and_not_wrong(plant: Plant, size: int) -> None:
    add(plant, 3)
    report = verify_log()
    assert report.ok
    assert (report.size, report.pending) == (size, 3)


def test_many_findings_are_counted_and_the_first_are_named(size: int) -> None:
    with tampering() as cursor:
        cursor.execute("UPDATE ledger_auditentry SET actor = 'x'")
        report = verify_log()
        assert report.wrong[Check.ENTRIES] == size
        assert len(report.findings) == 200


def test_memory_does_not_grow_with_the_log(size: int) -> None:
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        verify_log()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks) < 60_000_000


def test_the_command_tells_by_its_exit_status(plant: Plant, size: int, tmp_path: Path) -> None:
    def baro(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "baro", "verify", "log", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    kept = tmp_path / "kept"
    kept.write_text(newest_checkpoint().note)
    done = baro("--key", log_key(), "--checkpoint", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "equal"
    assert baro("--checkpoint", str(tmp_path / "none")).returncode == 2
    assert baro("--key", "x").returncode == 2
    text = checkpoint_text(log_signer().name, size + 7, bytes(32))
    kept.write_text(f"{text}\n{log_signer().sign(text)}")
    done = baro("--checkpoint", str(kept))
    assert done.returncode == 1
    assert f"truncated {size}-{size + 6}: {kept}" in done.stdout
