"""The journals of the agents of stand-alone instruments."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

_SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")


class Migration(migrations.Migration):
    dependencies = [("historian", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([_SQL], ["DROP TABLE historian_journal"])],
            state_operations=[
                migrations.CreateModel(
                    name="StoredJournalEntry",
                    fields=[
                        ("id", models.BigAutoField(primary_key=True, serialize=False)),
                        ("company_id", models.UUIDField()),
                        ("recorded_at", models.DateTimeField()),
                        ("agent", models.TextField()),
                        ("number", models.BigIntegerField()),
                        ("previous", models.TextField()),
                        ("hash", models.TextField()),
                        ("line", models.TextField()),
                        ("at", models.DateTimeField()),
                        ("kind", models.TextField()),
                        ("finding", models.TextField()),
                        ("instrument", models.TextField()),
                        ("path", models.TextField()),
                        ("detail", models.TextField()),
                        ("digest", models.TextField()),
                        ("size", models.BigIntegerField(null=True)),
                        ("version", models.BigIntegerField(null=True)),
                        ("modified_at", models.DateTimeField(null=True)),
                    ],
                    options={"db_table": "historian_journal"},
                ),
            ],
        )
    ]
