import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

ONE_HAND = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM people_identityprovider) THEN RETURN; END IF;
  PERFORM set_config('baro.actor', 'baro migrate', true), set_config('baro.kind', 'program', true),
    set_config('baro.reason', 'identity providers are approved by two people from now on', true);
  UPDATE people_identityprovider SET ended_at = coalesce(ended_at, now()), approved_at = NULL;
  SET CONSTRAINTS ALL IMMEDIATE;
END $$
"""

kinds = [
    ("grant", "give a role"),
    ("end", "end a role"),
    ("disable", "disable the account"),
    ("enable", "enable the account"),
    ("reset_password", "give a new first password"),
    ("reset_factors", "take the second factors away"),
    ("link", "link with an identity provider"),
]


def person():
    return models.ForeignKey(
        null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
    )


class Migration(migrations.Migration):
    """Providers that one person approved alone end: somebody asks for them anew, and another person approves."""

    dependencies = [("people", "0009_reset_factors"), ("ledger", "0006_verification_runs")]

    operations = [
        migrations.AddField(
            "rightschange",
            "provider",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="people.identityprovider"
            ),
        ),
        migrations.AddField(
            "rightschange",
            "subject",
            models.CharField(blank=True, default="", max_length=255, verbose_name="subject"),
            preserve_default=False,
        ),
        migrations.AlterField(
            "rightschange", "kind", models.CharField(choices=kinds, max_length=20, verbose_name="change")
        ),
        migrations.RemoveConstraint("identityprovider", "people_identityprovider_code"),
        migrations.AddField("identityprovider", "requested_by", person()),
        migrations.AddField(
            "identityprovider",
            "requested_at",
            models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="requested at"),
        ),
        migrations.AddField("identityprovider", "approved_by", person()),
        migrations.AddField(
            "identityprovider",
            "signature",
            models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="ledger.signature"
            ),
        ),
        migrations.AlterField(
            "identityprovider", "approved_at", models.DateTimeField(null=True, verbose_name="approved at")
        ),
        migrations.RunSQL(ONE_HAND, migrations.RunSQL.noop),
        migrations.AddConstraint(
            "identityprovider",
            models.UniqueConstraint(
                fields=["company", "code"],
                condition=models.Q(ended_at=None, approved_at__isnull=False),
                name="people_identityprovider_code",
            ),
        ),
        migrations.AddConstraint(
            "identityprovider",
            models.CheckConstraint(
                condition=models.Q(approved_at=None)
                | (models.Q(requested_by__isnull=False, approved_by__isnull=False, signature__isnull=False))
                & ~models.Q(requested_by=models.F("approved_by")),
                name="people_identityprovider_four_eyes",
            ),
        ),
    ]
