from django.db import migrations, models


class Migration(migrations.Migration):
    """The checkpoint of the log that a certificate names in its printed code."""

    dependencies = [("release", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="certificate",
            name="proof",
            field=models.TextField(blank=True, default="", verbose_name="checkpoint"),
            preserve_default=False,
        ),
    ]
