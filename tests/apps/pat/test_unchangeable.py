"""A registered model and a frozen data set never change: whoever tries is refused, and it is on record."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction

from baro.apps.ledger.errors import ContentFixed
from baro.apps.ledger.models import AuditEntry, RefusedChange
from baro.apps.ledger.services import Program, change, reading
from baro.apps.pat.errors import ModelUnchangeable
from baro.apps.pat.models import CalibrationModel, DataSet, Protocol
from baro.database.context import Context
from baro.database.roles import Role, conninfo
from tests.apps.pat.making import Room, rows
from tests.plant import Plant

MODEL_COLUMNS = {
    "code": "other",
    "version": 7,
    "digest": "0" * 64,
    "axis_digest": "0" * 64,
    "figures": {"rmsep": 0.0},
    "description": "{}",
    "arrays": b"x",
    "recipe": [],
}


def refusals(plant: Plant) -> list[RefusedChange]:
    with reading(plant.company):
        return list(RefusedChange.objects.order_by("recorded_at"))


@pytest.mark.clause("Annex 11 12.4", "Part 11 11.10(e)")
@pytest.mark.parametrize("column", MODEL_COLUMNS)
def test_no_column_of_a_model_changes_and_each_attempt_is_on_record(plant: Plant, column: str) -> None:
    with reading(plant.company):
        model = CalibrationModel.objects.get()
    with pytest.raises(ModelUnchangeable), change(plant.user("science1"), "a better figure"):
        CalibrationModel.objects.filter(id=model.id).update(**{column: MODEL_COLUMNS[column]})
    (refused,) = refusals(plant)
    assert (refused.table_name, refused.record_id, refused.columns) == ("pat_calibrationmodel", str(model.id), [column])
    with reading(plant.company):
        assert getattr(CalibrationModel.objects.get(), column) == getattr(model, column)
        entry = AuditEntry.objects.get(table_name="ledger_refusedchange")
        science = plant.user("science1")
        assert (entry.actor_id, entry.actor, entry.reason) == (science.id, science.display_name, "a better figure")
        assert entry.new["record_id"] == str(model.id)


def test_what_may_change_of_a_model_still_does(plant: Plant) -> None:
    with change(Program("test", plant.company), "test"):
        model = CalibrationModel.objects.get()
        model.status = CalibrationModel.Status.RETIRED
        model.save()
    assert refusals(plant) == []


def test_raw_sql_of_the_application_is_refused_and_the_record_survives_its_transaction(plant: Plant) -> None:
    with pytest.raises(ModelUnchangeable), transaction.atomic(), connection.cursor() as cursor:
        Context(plant.company, None, "a script", "just once").apply(cursor)
        cursor.execute("UPDATE pat_calibrationmodel SET version = version + 1")
    (refused,) = refusals(plant)
    assert refused.program == "baro"


@pytest.mark.parametrize("role", [Role.APP, Role.OWNER, None], ids=str)
def test_another_connection_changes_nothing_and_is_written_down(plant: Plant, database: str, role: Role | None) -> None:
    warned = []
    with psycopg.connect(conninfo(database, role, "other") if role else database) as raw:
        raw.add_notice_handler(lambda notice: warned.append(notice.message_primary))
        if role:
            Context(plant.company, None, "somebody", "by hand").apply(raw)
        done = raw.execute("UPDATE pat_calibrationmodel SET digest = 'x' WHERE company_id = %s", [plant.company])
        assert done.rowcount == 0
    assert "left as it is" in warned[0]
    (refused,) = refusals(plant)
    assert (refused.columns, refused.login) == (["digest"], "postgres")
    with reading(plant.company):
        assert len(CalibrationModel.objects.get().digest) == 64
        entry = AuditEntry.objects.get(table_name="ledger_refusedchange")
        assert entry.actor == ("somebody" if role else "database login postgres")
        assert entry.kind == ("program" if role else "database")


def test_an_attempt_without_actor_and_reason_is_refused_as_any_change_is(plant: Plant, database: str) -> None:
    with psycopg.connect(conninfo(database, Role.APP)) as raw:
        Context(plant.company).apply(raw)
        with pytest.raises(psycopg.Error) as told:
            raw.execute("UPDATE pat_calibrationmodel SET version = 9")
    assert told.value.sqlstate == "BA001"
    assert refusals(plant) == []


def test_a_frozen_data_set_does_not_change_and_a_draft_may(room: Room) -> None:
    draft = room.data_set("draft", rows())
    frozen = room.frozen("frozen", rows())
    with change(Program("test", room.plant.company), "test"):
        DataSet.objects.filter(id=draft.id).update(reference_error=0.5)
    for told in ({"digest": "0" * 64}, {"reference_error": 9.0}, {"status": "draft"}, {"findings": [{}]}):
        with pytest.raises(ContentFixed), change(room.scientist, "test"):
            DataSet.objects.filter(id=frozen.id).update(**told)
    assert [one.record_id for one in refusals(room.plant)] == [str(frozen.id)] * 4
    assert room.again(frozen).status == "frozen"


def test_the_criteria_of_a_signed_protocol_do_not_change(room: Room) -> None:
    protocol = room.fixed(room.protocol(room.model()))
    with pytest.raises(ContentFixed), change(room.scientist, "the limit was too narrow"):
        Protocol.objects.filter(id=protocol.id).update(criteria=[])
    assert len(refusals(room.plant)) == 1
