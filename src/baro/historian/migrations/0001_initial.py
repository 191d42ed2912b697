"""The historian's tables, written in SQL because Django has no words for their types and constraints."""

from __future__ import annotations

from pathlib import Path

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

_SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_BACK = """
DROP VIEW historian_gap_now;
DROP FUNCTION historian_missing, historian_drop_sealed;
DROP TABLE historian_segment, historian_event, historian_gap, historian_block, historian_axis;
DROP FUNCTION historian_slot;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            # as a list, so that Django doesn't take the functions apart at their semicolons
            database_operations=[migrations.RunSQL([_SQL], [_BACK])],
            state_operations=[
                migrations.CreateModel(
                    name="StoredAxis",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("digest", models.TextField()),
                        ("unit", models.TextField()),
                        ("values", ArrayField(models.FloatField(), size=None)),
                    ],
                    options={
                        "db_table": "historian_axis",
                    },
                ),
                migrations.CreateModel(
                    name="StoredBlock",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("source", models.TextField()),
                        ("kind", models.TextField()),
                        ("epoch", models.BigIntegerField()),
                        ("first_seq", models.BigIntegerField()),
                        ("last_seq", models.BigIntegerField()),
                        ("count", models.IntegerField()),
                        ("lot", models.TextField()),
                        ("axis", models.TextField()),
                        ("time_min", models.DateTimeField()),
                        ("time_max", models.DateTimeField()),
                        ("digest", models.BinaryField()),
                        ("body_digest", models.BinaryField()),
                        ("digests", models.BinaryField(null=True)),
                        ("body", models.BinaryField(null=True)),
                    ],
                    options={
                        "db_table": "historian_block",
                    },
                ),
                migrations.CreateModel(
                    name="StoredEvent",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("source", models.TextField()),
                        ("kind", models.TextField()),
                        ("at", models.DateTimeField()),
                        ("detail", models.TextField()),
                        ("payload", models.BinaryField()),
                        ("digest", models.BinaryField()),
                    ],
                    options={
                        "db_table": "historian_event",
                    },
                ),
                migrations.CreateModel(
                    name="StoredGap",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("source", models.TextField()),
                        ("epoch", models.BigIntegerField()),
                        ("first_seq", models.BigIntegerField()),
                        ("last_seq", models.BigIntegerField(null=True)),
                        ("lot", models.TextField()),
                        ("started_at", models.DateTimeField()),
                        ("ended_at", models.DateTimeField(null=True)),
                        ("reason", models.TextField()),
                    ],
                    options={
                        "db_table": "historian_gap",
                    },
                ),
                migrations.CreateModel(
                    name="StoredSegment",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("path", models.TextField()),
                        ("kind", models.TextField()),
                        ("source", models.TextField()),
                        ("lot", models.TextField()),
                        ("axis", models.TextField()),
                        ("first_epoch", models.BigIntegerField()),
                        ("first_seq", models.BigIntegerField()),
                        ("last_epoch", models.BigIntegerField()),
                        ("last_seq", models.BigIntegerField()),
                        ("count", models.BigIntegerField()),
                        ("file_digest", models.BinaryField()),
                        ("root_digest", models.BinaryField()),
                        ("blocks", ArrayField(models.BigIntegerField(), size=None)),
                    ],
                    options={
                        "db_table": "historian_segment",
                    },
                ),
            ],
        )
    ]
