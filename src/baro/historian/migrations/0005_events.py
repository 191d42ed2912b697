"""What a source said last is found without reading all it ever said."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("historian", "0004_days")]

    operations = [
        migrations.RunSQL(
            ["CREATE INDEX historian_event_source ON historian_event (company_id, source, kind, at)"],
            ["DROP INDEX historian_event_source"],
        )
    ]
