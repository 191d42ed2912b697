"""The audit trail as people use it: filters, exceptions, reviews, and the settings it covers."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import psycopg
import pytest

from baro.apps.ledger import errors
from baro.apps.ledger.audit import Asked, entries
from baro.apps.ledger.installation import record_settings, shown
from baro.apps.ledger.models import AuditEntry, AuditReview, InstallationSetting
from baro.apps.ledger.queries import in_words, one_line
from baro.apps.ledger.reviewing import review, reviews_of, scope_now, standing
from baro.apps.ledger.services import Program, accept_accountability, change, reading
from baro.apps.people.services import sign_in
from baro.apps.plant.models import Tag
from baro.apps.quality.models import ReleaseCriterion
from baro.apps.release.queries import lot_of, records
from baro.config import Config
from tests.plant import LOTS, Plant


def found(plant: Plant, **asked: str) -> list[AuditEntry]:
    with reading(plant.company):
        return list(entries(Asked.of(asked), plant.user("quality1")))


def signed_review(plant: Plant, name: str, scope: str, subject: str = "", up_to: int | None = None) -> AuditReview:
    with reading(plant.company):
        now = scope_now(scope, subject, up_to)
    return review(
        plant.user(name),
        plant.password,
        scope=scope,
        subject=subject,
        findings="no findings",
        seen=now.seen,
        up_to=now.up_to_entry,
    )


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 9", "별표 9 4.5")
def test_the_trail_is_filtered_by_everything_it_says(plant: Plant) -> None:
    with change(plant.user("science1"), "unit corrected"):
        Tag.objects.filter(name="FillDepth").update(unit="um")
    (entry,) = found(plant, who="science1", table="plant_tag")
    assert (entry.old, entry.new, entry.kind) == ({"unit": "mm"}, {"unit": "um"}, "person")
    assert found(plant, record=entry.record_id)[0] == entry
    day = f"{entry.at.astimezone(ZoneInfo('Asia/Seoul')):%Y-%m-%d}"
    assert entry in found(plant, since=day, until=day)
    assert not found(plant, until="2020-01-01")
    assert {e.action for e in found(plant, action="update")} == {"update"}
    lot = found(plant, lot=LOTS["A"].number)
    assert {"manufacturing_lot", "quality_controlstrategy", "quality_releasecriterion"} <= {e.table_name for e in lot}
    assert "plant_tag" not in {e.table_name for e in lot}
    assert [e.id for e in lot] == sorted((e.id for e in lot), reverse=True)
    assert len(found(plant, since="no day", action="drop", profile="none")) == len(found(plant))


@pytest.mark.clause("Annex 11 9", "별표 9 4.5")
def test_a_review_by_exception_finds_what_needs_a_look(plant: Plant, database: str) -> None:
    sign_in(f"{plant.code}-operator1", "wrong", "127.0.0.1")
    with change(plant.user("science1"), "wider"):
        ReleaseCriterion.objects.filter(key="assay").update(parameters={"low": 90})
    plant.give_role("operator1", "analyst")
    with psycopg.connect(database) as raw:
        raw.execute("UPDATE plant_tag SET unit = 'x' WHERE company_id = %s AND name = 'FillDepth'", [plant.company])
        raw.execute("DELETE FROM plant_tag WHERE company_id = %s AND name = 'PressSpeed'", [plant.company])
    told = {
        profile: {(e.table_name, e.action) for e in found(plant, profile=profile)}
        for profile in ("changed", "deleted", "limits", "rights", "refused", "database", "clock", "exceptions")
    }
    assert ("quality_releasecriterion", "update") in told["changed"] & told["limits"]
    assert ("manufacturing_lot", "update") not in told["changed"], "what programs do as they should is no exception"
    assert told["deleted"] == {("plant_tag", "delete")}
    assert ("people_assignment", "update") in told["rights"]
    assert told["refused"] == {("people_signin", "insert")}
    assert told["database"] == {("plant_tag", "update"), ("plant_tag", "delete")}
    for profile in set(told) - {"exceptions"}:
        assert told[profile] <= told["exceptions"]


def test_work_outside_of_working_hours_is_told_by_the_zone_of_the_plant(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    with change(plant.user("science1"), "late work"):
        Tag.objects.filter(name="FillDepth").update(unit="um")
    now = datetime.now(ZoneInfo("Asia/Seoul"))
    within = f"{now.hour}-{now.hour + 1}"
    for hours, outside in ((within, now.isoweekday() >= 6), ("0-0", True)):
        monkeypatch.setattr("baro.apps.ledger.audit.config", lambda hours=hours: Config(working_hours=hours))
        late = [e for e in found(plant, profile="hours") if e.reason == "late work"]
        if now.minute < 59:  # the hour may end while the test runs
            assert bool(late) is outside
        assert not [e for e in found(plant, profile="hours") if e.kind != "person"]


@pytest.mark.clause("Annex 11 9", "별표 9 4.5")
def test_a_review_is_signed_and_the_next_one_begins_where_it_ended(plant: Plant) -> None:
    everything = found(plant)
    made = signed_review(plant, "quality1", "period")
    assert (made.from_entry, made.count) == (
        everything[-1].id,
        len([e for e in everything if e.id <= made.up_to_entry]),
    )
    since = found(plant, scope="new")
    assert {e.id for e in since} == {e.id for e in found(plant) if e.id > made.up_to_entry}
    assert {e.table_name for e in since} == {"people_signin", "ledger_signature", "ledger_auditreview"}
    record_settings("baro web", plant.company, Config())
    again = signed_review(plant, "quality1", "period")
    assert again.from_entry == since[-1].id
    with reading(plant.company):
        assert [r.id for r in reviews_of("period")] == [again.id, made.id]


@pytest.mark.clause("Part 11 11.10(g)")
def test_who_may_not_review_and_what_is_not_reviewed(plant: Plant) -> None:
    lot = LOTS["A"].number
    with reading(plant.company):
        now = scope_now("lot", lot)
    told = {"scope": "lot", "subject": lot, "findings": "none", "seen": now.seen, "up_to": now.up_to_entry}
    for name in ("production1", "operator1", "admin1", "science1"):
        with pytest.raises(errors.NotPermitted):
            review(plant.user(name), plant.password, **told)
    user = plant.user("quality1")
    with pytest.raises(errors.WrongPassword):
        review(user, "guess", **told)
    with pytest.raises(errors.ReasonMissing):
        review(user, plant.password, **told | {"findings": " "})
    with pytest.raises(errors.RecordChanged):
        review(user, plant.password, **told | {"seen": "0" * 64})
    with pytest.raises(errors.NothingToReview):
        review(user, plant.password, **told | {"up_to": 0})
    with reading(plant.company):
        assert not AuditReview.objects.exists()


def test_nobody_reviews_what_they_alone_did(plant: Plant) -> None:
    accept_accountability(plant.user("analyst1"), plant.password)
    signed_review(plant, "quality1", "period")
    with reading(plant.company):
        now = scope_now("period", "")
    assert not now.programs
    assert now.authors == {plant.user("quality1").id}
    with pytest.raises(errors.OwnEntriesOnly):
        signed_review(plant, "quality1", "period", now.up_to_entry)
    assert signed_review(plant, "analyst1", "period", now.up_to_entry).reviewer_id == plant.user("analyst1").id


def test_how_far_the_trail_of_a_lot_is_reviewed(plant: Plant, database: str) -> None:
    number = LOTS["A"].number

    def now():
        with reading(plant.company):
            return standing(number, records(lot_of(number)))

    assert (now().reviewed, now().left > 5) == (False, True)
    made = signed_review(plant, "quality1", "lot", number)
    assert (now().reviewed, now().review.id) == (True, made.id)
    with change(Program("tester", plant.company), "one more"):
        lot = lot_of(number)
        lot.planned_units += 1
        lot.save()
    assert (now().reviewed, now().left) == (False, 1)
    signed_review(plant, "quality1", "lot", number)
    assert now().reviewed
    with psycopg.connect(database) as raw:
        raw.execute("UPDATE ledger_auditreview SET findings = 'x' WHERE company_id = %s", [plant.company])
    assert now().review is None, "a review whose signature does not hold is none"


@pytest.mark.clause("ASVS 16.4.1")
def test_control_characters_show_as_what_they_are(plant: Plant) -> None:
    hostile = "ok\r\n2026-11-22 forged line\x1b[31m\u202e\t"
    with change(Program("tester", plant.company), hostile):
        Tag.objects.filter(name="FillDepth").update(unit="a\nb")
    (entry,) = found(plant, table="plant_tag", action="update")
    (row,) = in_words([entry])
    for text in (row.reason, row.changes[0].new, one_line(hostile)):
        assert text.isprintable()
    assert "\\n2026-11-22 forged line\\x1b[31m\\u202e" in row.reason
    assert row.changes[0].new == "a\\nb"


@pytest.mark.clause("Annex 11 10", "별표 9 4.6")
def test_settings_are_on_record_without_their_secrets(plant: Plant) -> None:
    first = Config(database_url="postgresql://me:s3cret@db/baro?password=s3cret", secret_key="s3cret", port=8600)
    assert set(record_settings("baro web", plant.company, first)) == set(Config.model_fields)
    assert record_settings("baro worker", plant.company, first) == []
    second = first.model_copy(update={"secret_key": "other", "port": 8601})
    assert record_settings("baro web", plant.company, second) == ["secret_key", "port"]
    changed = {e.new.get("value"): e for e in found(plant, table="ledger_installationsetting", action="update")}
    assert changed["8601"].old["value"] == "8600"
    with reading(plant.company):
        assert InstallationSetting.objects.get(name="database_url").value == "postgresql://db/baro?password=…"
        assert InstallationSetting.objects.get(name="secret_key").value == ""
    for entry in found(plant, table="ledger_installationsetting"):
        assert "s3cret" not in str(entry.old) + str(entry.new)
    assert shown("secret_key", "a")[1] != shown("secret_key", "b")[1]
