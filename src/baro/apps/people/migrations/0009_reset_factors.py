from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0008_access_review")]

    operations = [
        migrations.AlterField(
            model_name="rightschange",
            name="kind",
            field=models.CharField(
                choices=[
                    ("grant", "give a role"),
                    ("end", "end a role"),
                    ("disable", "disable the account"),
                    ("enable", "enable the account"),
                    ("reset_password", "give a new first password"),
                    ("reset_factors", "take the second factors away"),
                ],
                max_length=20,
                verbose_name="change",
            ),
        ),
    ]
