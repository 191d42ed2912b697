from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pat", "0007_space")]

    operations = [
        migrations.AddField(
            model_name="healthcheck",
            name="given",
            field=models.JSONField(default=dict, verbose_name="as read"),
        )
    ]
