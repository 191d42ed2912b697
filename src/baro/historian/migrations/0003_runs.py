"""Runs of blocks, by which blocks are in the log before they are sealed."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

_SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_BACK = "DROP INDEX historian_block_source; DROP TABLE historian_run"


class Migration(migrations.Migration):
    dependencies = [("historian", "0002_journal")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([_SQL], [_BACK])],
            state_operations=[
                migrations.CreateModel(
                    name="StoredRun",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("source", models.TextField()),
                        ("number", models.BigIntegerField()),
                        ("first_block", models.BigIntegerField()),
                        ("last_block", models.BigIntegerField()),
                        ("count", models.BigIntegerField()),
                        ("previous", models.BinaryField()),
                        ("root", models.BinaryField()),
                    ],
                    options={"db_table": "historian_run"},
                ),
            ],
        )
    ]
