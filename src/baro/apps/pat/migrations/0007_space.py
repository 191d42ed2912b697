from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pat", "0006_search_left_out")]

    operations = [
        migrations.AlterField(
            model_name="transfer",
            name="how",
            field=models.CharField(
                choices=[
                    ("pds", "Piecewise direct standardisation"),
                    ("ds", "Direct standardisation"),
                    ("sst", "Spectral space transformation"),
                    ("slope_bias", "Slope and bias"),
                ],
                max_length=10,
                verbose_name="method of transfer",
            ),
        )
    ]
