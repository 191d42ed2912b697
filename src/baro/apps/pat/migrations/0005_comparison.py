from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pat", "0004_attempts")]

    operations = [
        migrations.AddField(
            model_name="search",
            name="comparison",
            field=models.JSONField(default=dict, verbose_name="errors by way of leaving out"),
        ),
    ]
