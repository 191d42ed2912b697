import uuid

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    """A signature's seal, the dialog it was given in, and the statement that comes before the first one."""

    dependencies = [
        ("ledger", "0001_initial"),
        ("people", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="signature",
            name="dialog",
            field=models.UUIDField(null=True, verbose_name="signature dialog"),
        ),
        migrations.AddField(
            model_name="signature",
            name="seal",
            field=models.CharField(default="", max_length=64, verbose_name="seal (SHA-256)"),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="signature",
            name="meaning",
            field=models.CharField(
                choices=[
                    ("authorship", "Author"),
                    ("review", "Reviewed"),
                    ("approval", "Approved"),
                    ("release", "Approval of release"),
                    ("rejection", "Rejection"),
                    ("hold", "Put on hold"),
                    ("accountability", "Accountability accepted"),
                ],
                max_length=20,
                verbose_name="meaning of signature",
            ),
        ),
        migrations.AddConstraint(
            model_name="signature",
            constraint=models.UniqueConstraint(
                fields=("dialog", "record_type", "record_id"), name="ledger_signature_dialog_once"
            ),
        ),
        migrations.CreateModel(
            name="Accountability",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "recorded_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="recorded at"
                    ),
                ),
                ("user_id", models.UUIDField(verbose_name="person")),
                ("version", models.CharField(max_length=20, verbose_name="version of the statement")),
                ("text_ko", models.TextField(verbose_name="statement in Korean")),
                ("text_en", models.TextField(verbose_name="statement in English")),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.company"
                    ),
                ),
                (
                    "signature",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="ledger.signature"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("company", "user_id", "version"), name="ledger_accountability_once"
                    )
                ],
            },
        ),
    ]
