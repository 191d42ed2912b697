from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("pat", "0008_check_given")]

    operations = [
        migrations.AddIndex(
            model_name="predictionblock",
            index=models.Index(fields=["company", "model_digest", "source", "id"], name="pat_prediction_model"),
        )
    ]
