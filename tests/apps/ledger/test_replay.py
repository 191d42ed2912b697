"""Records against their trail: whatever was done behind the triggers is found and named."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.archive.replay import RecordFindingKind, check_records
from baro.apps.ledger.services import Program, change
from baro.apps.people.models import User
from baro.apps.plant.models import Tag
from baro.apps.release.services import decide
from tests.plant import Plant

AUDITED = sorted(name for name, guard in guarded_tables().items() if guard.audited)


@contextmanager
def behind_the_triggers() -> Iterator[Any]:
    """A cursor of the superuser with all triggers off, in a transaction that is undone."""
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SET LOCAL ROLE none")
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield cursor
        transaction.set_rollback(True, using="owner")


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 7.1")
def test_what_nobody_touched_is_equal_to_its_trail(plant: Plant) -> None:
    plant.finished("B")
    with change(Program("tester", plant.company), "units"):
        Tag.objects.update(unit="um")
        Tag.objects.update(decimals=2)
    assert check_records(plant.company) == []


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 9")
def test_a_row_changed_behind_the_triggers_is_named_to_the_field(plant: Plant) -> None:
    with behind_the_triggers() as cursor:
        cursor.execute(
            "UPDATE plant_tag SET normal_high = normal_high + 1 WHERE company_id = %s AND name = 'FillDepth'"
            " RETURNING id, normal_high",
            [plant.company],
        )
        key, high = cursor.fetchone()
        (finding,) = check_records(plant.company)
    assert (finding.kind, finding.table, finding.record) == (RecordFindingKind.CHANGED, "plant_tag", str(key))
    assert (finding.field, float(finding.expected), float(finding.found)) == ("normal_high", high - 1, high)


def test_rows_taken_away_are_found_in_every_audited_table(plant: Plant) -> None:
    verdict = plant.finished("A")
    plant.review(verdict.lot.lot_no)
    plant.review(verdict.lot.lot_no)
    decide(plant.user("quality1"), plant.password, verdict.lot.lot_no, "released", "meets all", verdict.content_hash)
    assert check_records(plant.company) == []
    filled = set()
    for table in AUDITED:
        with behind_the_triggers() as cursor:
            column = guarded_tables()[table].company
            cursor.execute(f'SELECT id FROM "{table}" WHERE "{column}" = %s ORDER BY id LIMIT 1', [plant.company])
            for row in cursor.fetchall():
                filled.add(table)
                cursor.execute(f'DELETE FROM "{table}" WHERE id = %s', row)
                found = {(f.kind, f.record) for f in check_records(plant.company, [table])}
                assert found == {(RecordFindingKind.DELETED, str(row[0]))}
    assert {"release_certificate", "release_decision", "ledger_signature", "people_signin", "people_user"} <= filled


def test_a_row_put_in_behind_the_triggers_is_found(plant: Plant) -> None:
    key = uuid.uuid4()
    with behind_the_triggers() as cursor:
        cursor.execute(
            "INSERT INTO plant_tag SELECT (jsonb_populate_record(t, jsonb_build_object('id', %s, 'name', 'Made-up'))).*"
            " FROM plant_tag t WHERE company_id = %s AND name = 'FillDepth'",
            [str(key), plant.company],
        )
        (finding,) = check_records(plant.company)
    assert (finding.kind, finding.record) == (RecordFindingKind.INSERTED, str(key))


def test_a_row_moved_to_another_company_is_found(plant: Plant) -> None:
    with behind_the_triggers() as cursor:
        cursor.execute(
            "UPDATE plant_tag SET company_id = %s WHERE company_id = %s AND name = 'FillDepth'",
            [uuid.uuid4(), plant.company],
        )
        assert [f.kind for f in check_records(plant.company)] == [RecordFindingKind.DELETED]


def test_an_entry_that_was_changed_breaks_the_chain(plant: Plant) -> None:
    for unit in ("um", "cm"):
        with change(Program("tester", plant.company), f"in {unit}"):
            Tag.objects.filter(name="FillDepth").update(unit=unit)
    with behind_the_triggers() as cursor:
        cursor.execute(
            """UPDATE ledger_auditentry SET new = '{"unit": "km"}' WHERE company_id = %s AND reason = 'in um'""",
            [plant.company],
        )
        (finding,) = check_records(plant.company)
    assert (finding.kind, finding.field) == (RecordFindingKind.CHAIN, "unit")
    assert (finding.expected, finding.found) == ('"km"', '"um"')


def test_entries_without_a_table_and_a_second_beginning_are_found(plant: Plant) -> None:
    with behind_the_triggers() as cursor:
        cursor.execute(
            "INSERT INTO ledger_auditentry SELECT (jsonb_populate_record(e, jsonb_build_object("
            " 'id', nextval('ledger_auditentry_id_seq'), 'table_name', 'plant_nothing'))).*"
            " FROM ledger_auditentry e WHERE company_id = %s AND table_name = 'plant_tag' LIMIT 1",
            [plant.company],
        )
        assert [f.kind for f in check_records(plant.company)] == [RecordFindingKind.UNKNOWN_TABLE]
    with behind_the_triggers() as cursor:
        cursor.execute(
            "INSERT INTO ledger_auditentry SELECT (jsonb_populate_record(e, jsonb_build_object("
            " 'id', nextval('ledger_auditentry_id_seq')))).*"
            " FROM ledger_auditentry e WHERE company_id = %s AND table_name = 'plant_tag' LIMIT 1",
            [plant.company],
        )
        assert {f.kind for f in check_records(plant.company)} == {RecordFindingKind.CHAIN}


def test_a_password_counts_by_its_presence_only(plant: Plant) -> None:
    with change(plant.user("admin1"), "new password"):
        user = User.objects.get(username=f"{plant.code}-analyst1")
        user.set_password("something else 1!")
        user.save()
    assert check_records(plant.company) == []


def test_the_session_that_wrote_makes_no_difference(plant: Plant) -> None:
    """Zones and forms of output of the writer's session do not get into the trail."""
    with change(Program("tester", plant.company), "elsewhere"), connections["default"].cursor() as cursor:
        cursor.execute("SET LOCAL timezone = 'America/New_York'")
        cursor.execute("SET LOCAL bytea_output = 'escape'")
        cursor.execute("UPDATE manufacturing_lot SET started_at = now()")
    assert check_records(plant.company) == []
