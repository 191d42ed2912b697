from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_imported_held")]

    operations = [
        migrations.AddField(
            model_name="trailexport",
            name="sha256",
            field=models.CharField(blank=True, default="", max_length=64, verbose_name="file (SHA-256)"),
            preserve_default=False,
        ),
    ]
