"""Records that came with a package name nobody who has no account here; a protocol may name what is not the product."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

PEOPLE = {
    "method": "made_by",
    "modelchange": "requested_by",
    "dataset": "made_by",
    "search": "asked_by",
    "protocol": "drafted_by",
    "validationrun": "run_by",
    "transfer": "made_by",
}


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("pat", "0009_prediction_model")]

    operations = [
        *(
            migrations.AlterField(
                model_name=model,
                name=field,
                field=models.ForeignKey(
                    null=True,
                    on_delete=django.db.models.deletion.PROTECT,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            )
            for model, field in PEOPLE.items()
        ),
        migrations.AddField(
            model_name="protocol",
            name="others",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="pat.dataset"
            ),
        ),
        migrations.AlterField(
            model_name="dataset",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("calibration", "Calibration"),
                    ("test", "Independent test"),
                    ("transfer", "Transfer standards"),
                    ("specificity", "Other materials (specificity)"),
                ],
                max_length=12,
                verbose_name="purpose",
            ),
        ),
    ]
