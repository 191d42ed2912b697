"""Identity providers that a company trusts, and whom they know."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.ledger.naming import Named
from baro.apps.people.models.people import User
from baro.database.guards import Guard


class IdentityProvider(Named, Record):
    """An OpenID provider of the company. `secret` (of our client there) is encrypted."""

    class Claim(models.TextChoices):
        USERNAME = "preferred_username", _("user name")
        EMAIL = "email", _("verified e-mail address")
        NONE = "", _("none: people are linked by hand")

    guard = Guard(hidden=("secret",))

    code = models.SlugField(_("code"))
    issuer = models.URLField(_("issuer"))
    client_id = models.CharField(_("client"), max_length=200)
    secret = models.TextField(blank=True)
    claim = models.CharField(_("claim that names the person"), max_length=20, choices=Claim, blank=True)
    approved_at = models.DateTimeField(_("approved at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "code"], condition=models.Q(ended_at=None), name="people_identityprovider_code"
            )
        ]

    def __str__(self) -> str:
        return self.code


class Identity(Record):
    """A person as a provider knows them: by its subject, which it never gives to another."""

    provider = models.ForeignKey(IdentityProvider, on_delete=models.PROTECT, related_name="identities")
    subject = models.CharField(_("subject"), max_length=255)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="identities")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "subject"], name="people_identity_subject"),
            models.UniqueConstraint(
                fields=["provider", "user"], condition=models.Q(ended_at=None), name="people_identity_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} {self.subject}"
