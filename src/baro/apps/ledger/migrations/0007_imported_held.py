from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_verification_runs")]

    operations = [
        migrations.AddField(
            model_name="importedpackage",
            name="held",
            field=models.JSONField(default=dict, verbose_name="held by the package alone"),
        ),
    ]
