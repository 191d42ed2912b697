"""What every record inherits: history, isolation, and a database that refuses to forget either."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress

import psycopg
import pytest
from django.apps import apps
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Case, F, Value, When

from baro.apps.ledger.apps import guarded_tables, library_tables
from baro.apps.ledger.errors import NotPermitted, ReasonMissing
from baro.apps.ledger.models import AuditEntry, Entry, Record
from baro.apps.ledger.services import Program, canonical_json, change, content_hash, reading
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Tag
from baro.apps.quality.models import Product
from baro.database import guards
from baro.database.context import Context
from baro.database.roles import Role, conninfo
from tests.plant import Plant


def trail(plant: Plant, **filters: object) -> list[AuditEntry]:
    with reading(plant.company):
        return list(AuditEntry.objects.filter(**filters))


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 9", "별표 9 4.5", "Part 11 11.10(c)")
def test_every_table_of_ours_is_guarded_by_the_database(database: str) -> None:
    """Isolation and history stand in the catalogue of PostgreSQL, for every model there is."""
    ours = guarded_tables()
    assert {m._meta.db_table for m in apps.get_models() if m.__module__.startswith("baro.")} == set(ours)
    with psycopg.connect(database) as raw:
        secured = {row[0] for row in raw.execute("SELECT relname FROM pg_class WHERE relrowsecurity")}
        policies = {row[0] for row in raw.execute("SELECT tablename FROM pg_policies")}
        triggers = set(raw.execute("SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid"))
        grants = set(
            raw.execute(
                "SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants"
                " WHERE table_schema = 'public' AND grantee IN ('baro_app', 'baro_reader', 'PUBLIC')"
            )
        )
    for table, guard in ours.items():
        assert table in secured
        assert table in policies
        assert (table, "keep_history") in triggers
        for verb in ("insert", "update", "delete"):
            assert ((table, f"audit_{verb}") in triggers) is guard.audited, (table, verb)
        assert not {(table, "baro_app", verb) for verb in ("DELETE", "TRUNCATE")} & grants
        assert not {(table, "PUBLIC", verb) for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")} & grants
        assert ((table, "baro_app", "UPDATE") in grants) is (guard.writable and not guard.append_only)
        whole = set() if guard.hidden else {"SELECT"}
        assert {verb for t, who, verb in grants if t == table and who == "baro_reader"} == whole
    others = {table for table, who, _ in grants if who in ("baro_app", "PUBLIC")} - set(ours) - {"historian_gap_now"}
    assert others == set(library_tables())
    assert {"django_session", "procrastinate_jobs"} <= others
    assert "django_migrations" not in others


def test_a_table_that_nobody_named_stays_closed(database: str) -> None:
    with psycopg.connect(database) as raw:
        raw.execute("SET ROLE baro_owner")
        raw.execute("CREATE TABLE unnamed (id bigserial)")
        guards.apply(raw, guarded_tables(), library_tables())
        rights = "SELECT has_table_privilege(%(who)s, 'unnamed', 'SELECT, INSERT, UPDATE, DELETE')"
        rights += ", has_sequence_privilege(%(who)s, 'unnamed_id_seq', 'USAGE, SELECT, UPDATE')"
        for who in ("baro_app", "baro_reader"):
            assert raw.execute(rights, {"who": who}).fetchone() == (False, False)
        # a gap in the numbers of the trail would look like an entry that was taken away
        query = "SELECT has_sequence_privilege('baro_app', 'ledger_auditentry_id_seq', 'USAGE, UPDATE')"
        assert raw.execute(query).fetchone() == (False,)
        raw.rollback()


@pytest.mark.clause("Part 11 11.10(e)")
def test_no_entry_of_the_trail_can_be_forged_from_a_table_of_ones_own(database: str) -> None:
    with psycopg.connect(conninfo(database, Role.APP)) as app:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary"), app.transaction():
            app.execute("CREATE TEMP TABLE quality_product (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
            app.execute("CREATE TABLE own (id int)")
    trigger = (
        "CREATE TRIGGER forge AFTER INSERT ON pg_temp.quality_product REFERENCING NEW TABLE AS new_rows"
        " FOR EACH STATEMENT EXECUTE FUNCTION baro_audit('company_id')"
    )
    with psycopg.connect(database) as raw:  # as if it could make temporary tables
        raw.execute("CREATE TEMP TABLE quality_product (id uuid, company_id uuid)")
        raw.execute("ALTER TABLE pg_temp.quality_product OWNER TO baro_app")
        raw.execute("SET ROLE baro_app")
        Context(uuid.uuid4(), actor="x", reason="y").apply(raw)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="baro_audit"), raw.transaction():
            raw.execute(trigger)
        raw.execute("RESET ROLE")
        raw.execute(trigger)
        raw.execute("SET ROLE baro_app")
        with pytest.raises(psycopg.DatabaseError, match="no table of the trail"), raw.transaction():
            raw.execute("INSERT INTO pg_temp.quality_product VALUES (gen_random_uuid(), gen_random_uuid())")
        raw.rollback()


def test_a_reader_sees_people_but_no_password(plant: Plant, database: str) -> None:
    with psycopg.connect(conninfo(database, Role.READER)) as reader:
        Context(plant.company).apply(reader)
        assert len(reader.execute("SELECT id, username, full_name FROM people_user").fetchall()) == 7
        for query in ("SELECT password FROM people_user", "SELECT * FROM people_user"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), reader.transaction():
                reader.execute(query)


OVERWRITTEN = {"Standing", "ApiTokenUse", "SessionActivity"}
"""No records: how something stands at this moment."""


def test_records_and_entries_are_audited(database: str) -> None:
    for model in apps.get_models():
        if issubclass(model, Record) and model.__name__ not in OVERWRITTEN:
            assert model.guard.audited, model
        if issubclass(model, Entry):
            assert model.guard.append_only, model


def test_a_model_without_a_guard_is_an_error() -> None:
    class Loose(models.Model):
        class Meta:
            app_label = "release"

    Loose.__module__ = "baro.apps.release.models"
    try:
        with pytest.raises(LookupError, match="Loose has no guard"):
            guarded_tables()
    finally:
        del apps.all_models["release"]["loose"]
        apps.clear_cache()


@pytest.mark.clause(
    "Part 11 11.10(e)",
    "Annex 11 9",
    "Annex 11 10",
    "Annex 11 12.4",
    "별표 9 4.5",
    "별표 9 4.8",
    "별표 9 4.6",
)
@pytest.mark.parametrize("path", ["save", "update", "bulk", "raw"])
def test_every_write_path_leaves_an_entry(plant: Plant, path: str) -> None:
    with change(Program("tester", plant.company), f"by {path}"):
        tag = Tag.objects.get(name="FillDepth")
        match path:
            case "save":
                tag.unit = "um"
                tag.save()
            case "update":
                Tag.objects.filter(id=tag.id).update(unit="um")
            case "bulk":
                tag.unit = "um"
                Tag.objects.bulk_update([tag], ["unit"])
            case "raw":
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE plant_tag SET unit = 'um' WHERE name = 'FillDepth'")
    (entry,) = trail(plant, reason=f"by {path}")
    assert (entry.actor, entry.action, entry.record_id) == ("tester", "update", str(tag.id))
    assert (entry.old, entry.new) == ({"unit": "mm"}, {"unit": "um"})


def test_many_rows_give_many_entries_of_one_transaction(plant: Plant) -> None:
    with change(Program("tester", plant.company), "all"):
        Tag.objects.update(decimals=3)
    entries = trail(plant, reason="all")
    assert len(entries) == 4
    assert len({entry.transaction_id for entry in entries}) == 1


def test_a_change_of_many_rows_tells_the_same_as_changes_of_one(plant: Plant) -> None:
    """The database writes the two by different queries: one row at a time, and twenty at once."""
    with change(Program("tester", plant.company), "more tags"):
        first = Tag.objects.first()
        for number in range(20):
            Tag.objects.create(
                **{f.attname: getattr(first, f.attname) for f in Tag._meta.fields if f.attname not in ("id", "name")},
                name=f"T{number:02}",
            )
    tags = Tag.objects.filter(name__startswith="T", name__regex=r"^T\d\d$")
    # a field of some rows, one of fewer, one of no row; and rows of which nothing changes
    new = {
        "unit": Case(When(name__lt="T15", then=Value("mbar")), default=F("unit")),
        "source": Case(When(name__lt="T05", then=Value("press-2")), default=F("source")),
        "normal_low": F("normal_low"),
    }
    told = {}
    for reason in ("at once", "one by one"):
        with suppress(ZeroDivisionError), change(Program("tester", plant.company), reason):
            if reason == "at once":
                tags.update(**new)
            else:
                for tag in tags:
                    tags.filter(id=tag.id).update(**new)
            told[reason] = [(e.record_id, e.old, e.new) for e in AuditEntry.objects.filter(reason=reason)]
            raise ZeroDivisionError
    assert len(told["at once"]) == 15
    assert {len(old) for _, old, _ in told["at once"]} == {1, 2}
    assert sorted(told["at once"], key=str) == sorted(told["one by one"], key=str)


def test_what_was_undone_is_not_in_the_trail(plant: Plant) -> None:
    with pytest.raises(ZeroDivisionError), change(Program("tester", plant.company), "undone"):
        Tag.objects.update(decimals=3)
        raise ZeroDivisionError
    assert trail(plant, reason="undone") == []


@pytest.mark.clause("Annex 11 9", "별표 9 4.5")
def test_a_change_without_reason_or_actor_is_refused(plant: Plant) -> None:
    with pytest.raises(ReasonMissing), change(Program("tester", plant.company), " "):
        pass
    for context in (Context(plant.company), Context(plant.company, actor="x"), Context(plant.company, reason="y")):
        with pytest.raises(DatabaseError, match="needs an actor and a reason"), transaction.atomic():
            with connection.cursor() as cursor:
                context.apply(cursor)
            Tag.objects.update(decimals=3)


@pytest.mark.clause("Part 11 11.10(g)")
def test_permission_is_checked_before_anything_is_done(plant: Plant) -> None:
    with pytest.raises(NotPermitted), change(plant.user("operator1"), "try", Permission.APPROVE_MODEL):
        pytest.fail("the body must not run")


def test_the_context_of_an_inner_service_does_not_leak(plant: Plant) -> None:
    with change(Program("outer", plant.company), "outer reason"):
        with change(Program("inner", plant.company), "inner reason"):
            Tag.objects.filter(name="FillDepth").update(decimals=4)
        Tag.objects.filter(name="FillDepth").update(decimals=5)
    assert [e.actor for e in trail(plant, reason="outer reason")] == ["outer"]
    assert [e.actor for e in trail(plant, reason="inner reason")] == ["inner"]


def test_reading_leaves_the_context_as_it_was(plant: Plant) -> None:
    with change(Program("outer", plant.company), "read in between"):
        with reading(uuid.uuid4()):
            assert not Tag.objects.exists()
        Tag.objects.filter(name="FillDepth").update(decimals=4)
    assert [e.actor for e in trail(plant, reason="read in between")] == ["outer"]


def test_a_password_is_never_in_the_trail(plant: Plant) -> None:
    user = plant.user("operator1")
    with change(Program("tester", plant.company), "new password"):
        user.set_password("another-secret-1")
        user.save()
    (entry,) = trail(plant, reason="new password")
    assert re.fullmatch(r"\[secret\] [0-9a-f]{64}", entry.new["password"])
    for entry in trail(plant, table_name="people_user"):
        assert "argon2" not in str(entry.old) + str(entry.new)


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 12.4")
def test_the_database_owner_leaves_a_trace_too(plant: Plant, database: str) -> None:
    with psycopg.connect(database) as raw:
        raw.execute("UPDATE quality_product SET code = 'other' WHERE company_id = %s", [plant.company])
    (entry,) = trail(plant, table_name="quality_product", action="update")
    assert entry.actor == "database login postgres"
    assert entry.new == {"code": "other"}


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 7.1", "별표 9 4.3")
def test_keys_never_change_and_tables_are_never_emptied(plant: Plant, database: str) -> None:
    with psycopg.connect(database) as raw:
        with pytest.raises(psycopg.DatabaseError, match="never changes"), raw.transaction():
            raw.execute("UPDATE quality_product SET id = gen_random_uuid()")
        with pytest.raises(psycopg.DatabaseError, match="never emptied"), raw.transaction():
            raw.execute("TRUNCATE release_standing")


@pytest.mark.clause("Part 11 11.10(d)", "Annex 11 12.1")
def test_a_row_of_another_company_can_be_neither_seen_nor_written(plant: Plant) -> None:
    stranger = uuid.uuid4()
    with reading(stranger):
        assert not Product.objects.exists()
        assert not User.objects.exists()
        assert not AuditEntry.objects.exists()
    with reading(None):
        assert not Product.objects.exists()
    with pytest.raises(DatabaseError, match="row-level security"), change(Program("x", stranger), "steal"):
        Product.objects.create(
            company_id=plant.company, code="x", name_ko="x", name_en="x", substance="x", label_claim_mg=1
        )


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": 1.5, "a": ["가", None]}) == '{"a":["가",null],"b":1.5}'.encode()
    assert content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": float("nan")})
