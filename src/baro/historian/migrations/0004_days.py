"""Files of a day, versions of them, and which file holds a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import migrations, models

_SQL = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
_BACK = """
DROP FUNCTION historian_adopt;
DROP TABLE historian_removed, historian_replaced;
DROP INDEX historian_segment_time, historian_block_segment, historian_block_unsealed;
ALTER TABLE historian_block DROP segment_id;
ALTER TABLE historian_segment DROP day, DROP reason, DROP index_digest, DROP time_min, DROP time_max;
CREATE INDEX historian_block_time ON historian_block (company_id, kind, time_max);
"""


def _stored(name: str, table: str, *fields: Any) -> migrations.CreateModel:
    common: list[Any] = [
        ("id", models.BigAutoField(primary_key=True, serialize=False)),
        ("company_id", models.UUIDField()),
        ("recorded_at", models.DateTimeField()),
    ]
    return migrations.CreateModel(name=name, fields=[*common, *fields], options={"db_table": table})


class Migration(migrations.Migration):
    dependencies = [("historian", "0003_runs")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL([_SQL], [_BACK])],
            state_operations=[
                migrations.AddField("StoredBlock", "segment_id", models.BigIntegerField(null=True)),
                migrations.AddField("StoredSegment", "day", models.DateField(null=True)),
                migrations.AddField("StoredSegment", "reason", models.TextField()),
                migrations.AddField("StoredSegment", "index_digest", models.BinaryField(null=True)),
                migrations.AddField("StoredSegment", "time_min", models.DateTimeField()),
                migrations.AddField("StoredSegment", "time_max", models.DateTimeField()),
                _stored(
                    "StoredReplacement",
                    "historian_replaced",
                    ("segment_id", models.BigIntegerField()),
                    ("by_segment_id", models.BigIntegerField()),
                ),
                _stored("StoredRemoval", "historian_removed", ("segment_id", models.BigIntegerField())),
            ],
        )
    ]
